// The only place that answers locally: failures of errors.ts, filters' local replies, direct responses and redirects
// become heads and bodies here, in one form.

import { FAILURES, type Failure, type FailureCode } from '../errors.ts';
import { Head } from '../http/head.ts';
import type { LocalReply } from './filter.ts';

export interface LocalResponse {
  readonly head: Head;
  readonly body: Buffer;
  readonly details: string;
}

/** The answer to a failure. `retryAfter`: seconds, for overload. */
export function failureResponse(code: FailureCode): LocalResponse {
  const failure: Failure = FAILURES[code];
  const answer = compose(failure.status, failure.body, failure.details, []);
  if (code === 'overload' || code === 'overflow') {
    answer.head.add('retry-after', '1');
    answer.head.add('x-envoy-overloaded', 'true');
  }
  return answer;
}

/** The answer a filter or a route asked for. Details have no spaces, as in Envoy's access log. */
export function replyResponse(reply: LocalReply): LocalResponse {
  const fields = reply.fields.filter(([name]) => !name.startsWith(':'));
  const details = reply.details.replaceAll(' ', '_');
  if (reply.grpcStatus < 0) return compose(reply.status, reply.body, details, fields);
  // A gRPC client reads its status from the head of a trailers-only answer, always 200.
  const message = typeof reply.body === 'string' ? reply.body : Buffer.from(reply.body).toString('latin1');
  const answer = compose(200, '', details, fields);
  answer.head.add('content-type', 'application/grpc');
  answer.head.add('grpc-status', String(reply.grpcStatus));
  if (message !== '') answer.head.add('grpc-message', encodeURIComponent(message));
  return answer;
}

function compose(
  status: number,
  body: Uint8Array | string,
  details: string,
  fields: readonly (readonly [string, string])[],
): LocalResponse {
  const bytes =
    typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const head = Head.response(status, fields);
  if (bytes.length > 0 && !fields.some(([name]) => name.toLowerCase() === 'content-type')) {
    head.add('content-type', 'text/plain');
  }
  head.add('date', httpDate());
  head.add('server', 'weft');
  head.contentLength = bytes.length;
  return { head, body: bytes, details };
}

let dateSecond = 0;
let dateText = '';

function httpDate(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}
