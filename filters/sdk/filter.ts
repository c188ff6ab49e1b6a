// What an author extends.

import { Body } from './body';
import { Head } from './head';
import { Slice } from './slice';

/** Go on to the next filter, or hold the message until continueRequest() or continueResponse(). */
export enum Action {
  Continue,
  Pause,
}

/** One object per configuration. It serves all streams, unless forStream() makes an object for each of them. */
export class HttpFilter {
  /** The root context that made this object; 0 for objects of streams. The SDK's. */
  root: u32 = 0;

  /** False refuses the configuration. A slice of it lasts for this call: keep() what is needed later. */
  onConfigure(configuration: Slice): bool {
    return true;
  }

  /** The filter of one stream. Override it when a stream has state of its own: `return new MyStream(this)`. */
  forStream(): HttpFilter {
    return this;
  }

  onRequestHeaders(head: Head): Action {
    return Action.Continue;
  }

  onRequestBody(body: Body): Action {
    return Action.Continue;
  }

  onRequestTrailers(trailers: Head): Action {
    return Action.Continue;
  }

  onResponseHeaders(head: Head): Action {
    return Action.Continue;
  }

  onResponseBody(body: Body): Action {
    return Action.Continue;
  }

  onResponseTrailers(trailers: Head): Action {
    return Action.Continue;
  }

  /** The time of wakeAfter() has come. */
  onWake(): void {}

  /** The exchange has ended. */
  onLog(): void {}

  /** Every so often, once setTick() was called. On the configuration's object. */
  onTick(): void {}

  /** The configuration is no longer used: release() what was kept. */
  onRetired(): void {}
}

/** Makes the object of a configuration. Called once in a filter's file: `register(() => new AddHeader())`. */
export function register(make: () => HttpFilter): void {
  factory = make;
}

function none(): HttpFilter {
  return new HttpFilter();
}

export let factory: () => HttpFilter = none;
