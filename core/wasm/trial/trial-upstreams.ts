// The services that a trial pretends to have: each answers every call with what was given beforehand, on a later turn.

import { Head } from '../../http/head.ts';
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
    return { service: name, call: (_request: UpstreamRequest, done) => answerLater(answer, done) };
  }
}

function answerLater(answer: TrialAnswer, done: (outcome: UpstreamResponse | UpstreamFailure) => void): GiveUp {
  const turn = setImmediate(() => done('failure' in answer ? answer : received(answer)));
  return () => clearImmediate(turn);
}

function received({ status, headers, body, trailers }: TrialResponse): UpstreamResponse {
  const head = Head.response(status, headers);
  head.contentLength = body.length;
  return { head, body, trailers: trailers === undefined ? null : Head.response(0, trailers) };
}
