// The services that a trial pretends to have: each answers every call with what was given beforehand, on a later turn.

import { Head } from '../head.ts';
import type { TrialResponse } from './trial-exchange.ts';
import type { GiveUp, Upstream, UpstreamFailure, UpstreamRequest, UpstreamResponse, Upstreams } from './upstreams.ts';

export class TrialUpstreams implements Upstreams {
  private readonly answers: ReadonlyMap<string, TrialResponse>;

  /** By the name that the guest calls them by. */
  constructor(answers: ReadonlyMap<string, TrialResponse>) {
    this.answers = answers;
  }

  find(name: string): Upstream | null {
    const answer = this.answers.get(name);
    if (answer === undefined) return null;
    return { service: name, call: (_request: UpstreamRequest, done) => answerLater(answer, done) };
  }
}

function answerLater(
  { status, headers, body }: TrialResponse,
  done: (outcome: UpstreamResponse | UpstreamFailure) => void,
): GiveUp {
  const head = Head.response(status, headers);
  head.contentLength = body.length;
  const turn = setImmediate(() => done({ head, body, trailers: null }));
  return () => clearImmediate(turn);
}
