// What ports speak, by the names of Istio and of Kubernetes. Read by the decoder and by shards, which load no schema.

/** Where browsers call gRPC; the application speaks gRPC. */
export const GRPC_WEB = 'GRPC-WEB';

const HTTP1 = ['HTTP', 'HTTP_PROXY', 'KUBERNETES.IO/WS'];
const HTTP2 = ['HTTP2', 'GRPC', GRPC_WEB, 'KUBERNETES.IO/H2C'];

/** `protocol`: a port's, in any case. */
export function isHttp2(protocol: string): boolean {
  return HTTP2.includes(protocol.toUpperCase());
}

/** What is not carried, and no word that says nothing of a protocol. */
export function declaresHttp(protocol: string): boolean {
  return isHttp2(protocol) || HTTP1.includes(protocol.toUpperCase());
}

/** 'grpc-web-ui' -> 'grpc-web', 'http-web' -> 'http': by the name of a port; '': it follows no convention, and leaves it to be found out. */
export function protocolOfName(name: string): string {
  return /^(?:http2?|grpc(?:-web)?|https|tls|tcp|mongo|mysql|redis|udp)(?=-|$)/.exec(name)?.[0] ?? '';
}

/** What is carried as bytes. What is in TLS is: nobody here has the key to it. */
const BYTES = ['TCP', 'TLS', 'HTTPS', 'KUBERNETES.IO/WSS', 'MONGO', 'MYSQL', 'REDIS'];

export function carriesBytes(protocol: string): boolean {
  return BYTES.includes(protocol.toUpperCase());
}

/** An annotation of Services: which of their ports, by number or name, are as those of `isServerFirst`. */
export const SERVER_FIRST_PORTS = 'weft.dev/server-first-ports';

/** '9000, smtp' -> ['9000', 'smtp'] */
export function listedPorts(annotation: string): readonly string[] {
  return annotation.split(',').map((listed) => listed.trim());
}

/** Where the server speaks first, so that the client's first bytes would be waited for in vain: SMTP, DNS, MySQL, NATS, MongoDB. */
const SERVER_FIRST: ReadonlySet<number> = new Set([25, 53, 3306, 4222, 27017]);

export function isServerFirst(port: number): boolean {
  return SERVER_FIRST.has(port);
}
