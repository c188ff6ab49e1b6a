// The services that a trial pretends to have: each answers every call with what was given beforehand, on a later turn.

import { grpcStatusIn } from '../../http/grpc-status.ts';
import { Head } from '../../http/head.ts';
import { framed } from '../abi/grpc-framing.ts';
import type {
  GiveUp,
  Upstream,
  UpstreamFailure,
  UpstreamRequest,
  UpstreamResponse,
  Upstreams,
} from '../abi/upstreams.ts';
import type { TrialResponse } from './trial-exchange.ts';

/** What a service answers, or why it does not. */
export type TrialAnswer = TrialResponse | UpstreamFailure;

export class TrialUpstreams implements Upstreams {
  /** By the name that the guest calls them by. */
  answers: ReadonlyMap<string, TrialAnswer>;

  constructor(answers: ReadonlyMap<string, TrialAnswer>) {
    this.answers = answers;
  }

  find(name: string): Upstream | null {
    const answer = this.answers.get(name);
    if (answer === undefined) return null;
    return { service: name, call: ({ http2 }: UpstreamRequest, done) => answerLater(answer, http2, done) };
  }
}

function answerLater(
  answer: TrialAnswer,
  grpc: boolean,
  done: (outcome: UpstreamResponse | UpstreamFailure) => void,
): GiveUp {
  const turn = setImmediate(() => done('failure' in answer ? answer : grpc ? called(answer) : received(answer)));
  return () => clearImmediate(turn);
}

function received({ status, headers, body, trailers }: TrialResponse): UpstreamResponse {
  const head = Head.response(status, headers);
  head.contentLength = body.length;
  return { head, body, trailers: trailers === undefined ? null : Head.response(0, trailers) };
}

/** As the answer of a gRPC service whose message is the body, and whose status is OK unless head or trailers say another. */
function called(answer: TrialResponse): UpstreamResponse {
  const { head, body, trailers } = received(answer);
  if (trailers !== null || grpcStatusIn(head) > 0) return { head, body: framed(body), trailers };
  return { head, body: framed(body), trailers: Head.response(0, [['grpc-status', '0']]) };
}
