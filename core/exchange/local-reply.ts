// The only place that answers locally: failures of errors.ts, filters' local replies, direct responses and redirects
// become heads and bodies here, in one form.

import { FAILURES, type Failure, type FailureCode } from '../errors.ts';
import { httpDate } from '../http/date.ts';
import { grpcMessageOf, grpcStatusOfHttp, isGrpc } from '../http/grpc-status.ts';
import { FieldName, Head } from '../http/head.ts';
import type { LocalReply } from './filter.ts';

export interface LocalResponse {
  readonly head: Head;
  readonly body: Buffer;
  readonly details: string;
}

/**
 * The answer to a failure of a request with this head. Overload says when to come again; `transportFailure`: what was wrong with a
 * handshake is said to who asked, as Envoy does.
 */
export function failureResponse(code: FailureCode, request: Head, transportFailure = ''): LocalResponse {
  const { status, ...said }: Failure = FAILURES[code];
  let { body } = said;
  const details = failureDetails(code, transportFailure);
  if (details !== said.details) body += `, transport failure reason: ${transportFailure}`;
  const answer = responseTo(request, { status, body, details, fields: [], grpcStatus: -1 });
  if (code === 'overload' || code === 'overflow') {
    answer.head.add('retry-after', '1');
    answer.head.add('x-envoy-overloaded', 'true');
  }
  return answer;
}

/** `%RESPONSE_CODE_DETAILS%`, with the reason of a handshake that failed. */
function failureDetails(code: FailureCode, transportFailure: string): string {
  const { details }: Failure = FAILURES[code];
  if (!transportFailure.startsWith('TLS_error') || !details.endsWith('}')) return details;
  return `${details.slice(0, -1)}|${transportFailure.replaceAll(' ', '_')}}`;
}

/** The answer that a filter or a route asked for. Details have no spaces, as in Envoy's access log. */
export function replyResponse(reply: LocalReply, request: Head): LocalResponse {
  return responseTo(request, {
    ...reply,
    fields: reply.fields.filter(([name]) => !name.startsWith(':')),
    details: reply.details.replaceAll(' ', '_'),
  });
}

/** A gRPC call is answered in gRPC's form, whoever answers; nothing else ever is. */
function responseTo(request: Head, reply: LocalReply): LocalResponse {
  if (!isGrpc(request)) return compose(reply.status, reply.body, reply.details, reply.fields);
  // A gRPC client reads its status from the head of a trailers-only answer, always 200.
  const answer = compose(200, '', reply.details, reply.fields);
  const status = reply.grpcStatus >= 0 ? reply.grpcStatus : grpcStatusOfHttp(reply.status);
  answer.head.put(CONTENT_TYPE, 'application/grpc');
  answer.head.add('grpc-status', String(status));
  if (reply.body.length > 0) answer.head.add('grpc-message', grpcMessageOf(reply.body));
  return answer;
}

const CONTENT_TYPE = new FieldName('content-type');
const DATE = new FieldName('date');
const SERVER = new FieldName('server');

function compose(
  status: number,
  body: Uint8Array | string,
  details: string,
  fields: readonly (readonly [string, string])[],
): LocalResponse {
  const bytes =
    typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const head = Head.response(status, fields);
  if (bytes.length > 0 && !head.has(CONTENT_TYPE)) head.add('content-type', 'text/plain');
  if (!head.has(DATE)) head.add('date', httpDate(Date.now()));
  if (!head.has(SERVER)) head.add('server', 'weft');
  head.contentLength = bytes.length;
  return { head, body: bytes, details };
}
