// An external authorizer over gRPC, by envoy.service.auth.v3.Authorization: the bytes of the call and its CheckRequest. All that is
// known of the request is sent, of its body as much as is asked for.

import type { FilterStream } from '../../exchange/filter.ts';
import { FieldName, Head } from '../../http/head.ts';
import { mapPairs } from '../../http/pseudo-headers.ts';
import type { UpstreamRequest } from '../../wasm/abi/upstreams.ts';
import { MessageWriter, PREFIX } from './protobuf.ts';
import type { GrpcProvider } from './provider.ts';

const CHECK = '/envoy.service.auth.v3.Authorization/Check';
const PARTIAL_BODY = 'x-envoy-auth-partial-body';
const REQUEST_ID = new FieldName('x-request-id');

export function grpcCheck(
  stream: FilterStream,
  provider: GrpcProvider,
  body: Uint8Array | null,
  partial: boolean,
): Omit<UpstreamRequest, 'plugin'> {
  const message = checkRequest(stream, provider, body, partial);
  const framed = Buffer.alloc(PREFIX + message.length);
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, PREFIX);
  const { timeoutMs } = provider;
  const head = Head.request('POST', provider.authority, CHECK, [
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    // Of eight digits at most.
    ['grpc-timeout', timeoutMs < 1e8 ? `${Math.ceil(timeoutMs)}m` : `${Math.ceil(timeoutMs / 1000)}S`],
  ]);
  head.contentLength = framed.length;
  return { head, body: framed, trailers: null, timeoutMs, http2: true };
}

/** CheckRequest { attributes = 1 }, AttributeContext { source = 1, destination = 2, request = 4, tls_session = 12 }. */
function checkRequest(
  { record, requestHead }: FilterStream,
  provider: GrpcProvider,
  body: Uint8Array | null,
  partial: boolean,
): Buffer {
  const { connection, startTime } = record;
  const { tls } = connection;
  const seconds = Math.floor(startTime / 1000);
  const time = new MessageWriter().int(1, seconds).int(2, Math.floor(startTime - seconds * 1000) * 1e6);
  const request = new MessageWriter()
    .message(1, time)
    .message(2, httpRequest(requestHead, record.protocol, provider, body, partial));
  const attributes = new MessageWriter()
    .message(1, peer(connection.remoteAddress, connection.remotePort, tls?.peerUri ?? ''))
    .message(2, peer(connection.localAddress, connection.localPort, tls?.localUri ?? ''))
    .message(4, request);
  const name = tls?.serverName ?? '';
  if (name !== '') attributes.message(12, new MessageWriter().text(1, name));
  return new MessageWriter().message(1, attributes).finish();
}

/** Peer { address = 1, principal = 4 }, Address { socket_address = 1 }, SocketAddress { address = 2, port_value = 3 }. */
function peer(address: string, port: number, principal: string): MessageWriter {
  const socket = new MessageWriter().text(2, address).int(3, port);
  return new MessageWriter().message(1, new MessageWriter().message(1, socket)).text(4, principal);
}

/**
 * HttpRequest { id = 1, method = 2, map headers = 3, path = 4, host = 5, scheme = 6, size = 9, protocol = 10, body = 11,
 * raw_body = 12 }; the path has its query, as in Envoy.
 */
function httpRequest(
  head: Head,
  protocol: string,
  { body: wanted }: GrpcProvider,
  body: Uint8Array | null,
  partial: boolean,
): MessageWriter {
  const http = new MessageWriter().text(1, head.get(REQUEST_ID) ?? '').text(2, head.method);
  for (const [name, value] of headerMap(head, body === null ? null : partial)) {
    http.message(3, new MessageWriter().text(1, name).text(2, value));
  }
  http.text(4, head.path).text(5, head.authority).text(6, head.scheme).int(9, head.contentLength).text(10, protocol);
  if (body !== null && wanted?.asBytes) http.bytes(12, body);
  else if (body !== null) http.text(11, Buffer.from(body.buffer, body.byteOffset, body.length).latin1Slice());
  return http;
}

/** A name has one value. What a client says of the part of the body is not believed. */
function headerMap(head: Head, partial: boolean | null): Map<string, string> {
  const map = new Map<string, string>();
  for (const [name, value] of mapPairs(head, 'request')) {
    if (name === PARTIAL_BODY) continue;
    const before = map.get(name);
    map.set(name, before === undefined ? value : `${before}${name === 'cookie' ? '; ' : ','}${value}`);
  }
  if (partial !== null) map.set(PARTIAL_BODY, String(partial));
  return map;
}
