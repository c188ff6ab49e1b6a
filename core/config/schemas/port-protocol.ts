// Which ports speak HTTP/2, by the names of Istio and of Kubernetes. Read by the decoder and by shards, which load no schema.

const HTTP2 = ['HTTP2', 'GRPC', 'GRPC-WEB', 'KUBERNETES.IO/H2C'];

/** `protocol`: a port's, in any case. */
export function isHttp2(protocol: string): boolean {
  return HTTP2.includes(protocol.toUpperCase());
}
