// A probe that asks grpc.health.v1.Health over HTTP/2 in plain text, as Kubernetes' do: SERVING is ready, everything else is not.

import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { Malformed, MessageWriter, PREFIX, readMessage } from '../../core/builtins/ext-authz/protobuf.ts';
import { hostPort } from '../../core/host-port.ts';
import type { Probe } from './watch.ts';

const STATES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const SERVING = 1;
const UNIMPLEMENTED = '12';
const NOT_FOUND = '5';
/** An answer is seven bytes; who says much more is something else. */
const MOST_BYTES = 4_096;

/** `service`: '' asks about the server as a whole. */
export function grpcHealth(host: string, port: number, service: string): Probe {
  const at = hostPort(host, port);
  return {
    what: `grpc.health.v1.Health/Check${service === '' ? '' : ` of ${service}`} at ${at}`,
    check: async (signal) => {
      const session = connect(`http://${at}`, { settings: { enablePush: false } });
      const end = (): void => session.destroy();
      signal.addEventListener('abort', end, { once: true });
      try {
        return await answerOf(session, at, service);
      } finally {
        signal.removeEventListener('abort', end);
        end();
      }
    },
  };
}

function answerOf(session: ClientHttp2Session, authority: string, service: string): Promise<string> {
  return new Promise((resolve) => {
    session.on('error', (error) => resolve(error.message));
    session.on('close', () => resolve('the connection ended'));
    const stream: ClientHttp2Stream = session.request({
      ...{ ':method': 'POST', ':path': '/grpc.health.v1.Health/Check', ':authority': authority },
      ...{ 'content-type': 'application/grpc', te: 'trailers', 'user-agent': 'kube-probe/weft' },
    });
    let status = '';
    let httpStatus = 0;
    let body = Buffer.alloc(0);
    stream.on('response', (headers) => {
      httpStatus = headers[':status'] ?? 0;
      status = String(headers['grpc-status'] ?? '');
    });
    stream.on('trailers', (trailers) => {
      status = String(trailers['grpc-status'] ?? '');
    });
    stream.on('data', (chunk: Buffer) => {
      body = Buffer.concat([body, chunk]);
      if (body.length > MOST_BYTES) resolve('its answer is none of the health service');
    });
    stream.on('error', (error) => resolve(error.message));
    stream.on('end', () => resolve(faultOf(httpStatus, status, body)));
    stream.end(requestFor(service));
  });
}

/** HealthCheckRequest { string service = 1 }, in gRPC's frame. */
function requestFor(service: string): Buffer {
  const message = new MessageWriter().text(1, service).finish();
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** HealthCheckResponse { ServingStatus status = 1 }, in gRPC's frame. */
function faultOf(httpStatus: number, status: string, body: Buffer): string {
  if (httpStatus !== 200) return `it answers ${httpStatus}`;
  if (status === UNIMPLEMENTED) return 'it has no health service (grpc-status 12)';
  if (status === NOT_FOUND) return 'its health service does not know this service (grpc-status 5)';
  if (status !== '0') return `its health service answers grpc-status ${status || 'none'}`;
  if (body.length < PREFIX || body[0] !== 0 || body.length - PREFIX !== body.readUInt32BE(1))
    return 'its answer is no message';
  // 0 is left out of a message.
  let state = 0;
  try {
    readMessage(body.subarray(PREFIX), { number: (field, value) => (state = field === 1 ? value : state) });
  } catch (error) {
    if (error instanceof Malformed) return `its answer is no message: ${error.message}`;
    throw error;
  }
  return state === SERVING ? '' : `it says ${STATES[state] ?? 'what is no status'}`;
}
