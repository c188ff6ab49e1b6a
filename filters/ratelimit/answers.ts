// ratelimit where every answer tells how much is left. A module of its own, so that where none asks for that, answers do not
// come by here at all.

import { Action, decimal, Head, HttpFilter, register } from '../sdk/index';
import { LIMIT, RateLimit, REMAINING, RESET } from './limits';

class Told extends RateLimit {
  forStream(): HttpFilter {
    return new Stream(this);
  }
}

class Stream extends HttpFilter {
  private tokens: u32 = 0;
  private remaining: u32 = 0;
  private seconds: u32 = 0;

  constructor(private readonly limits: RateLimit) {
    super();
  }

  onRequestHeaders(head: Head): Action {
    const limits = this.limits;
    const action = limits.onRequestHeaders(head);
    // An answer of the filter's own has them already.
    if (action != Action.Continue) return action;
    this.tokens = limits.tokens;
    this.remaining = limits.remaining;
    this.seconds = limits.seconds;
    return action;
  }

  onResponseHeaders(head: Head): Action {
    if (this.tokens == 0) return Action.Continue;
    head.set(LIMIT, decimal(this.tokens));
    head.set(REMAINING, decimal(this.remaining));
    head.set(RESET, decimal(this.seconds));
    return Action.Continue;
  }
}

register(() => new Told());
