// What an author extends.

import { Body } from './body';
import { Head } from './head';
import { Response } from './response';
import { Slice } from './slice';

/** Go on to the next filter, or hold the message until continueRequest() or continueResponse(). */
export enum Action {
  Continue,
  Pause,
}

/**
 * One object per configuration. By itself a service: it sees no traffic and lives by its timer, its queues and its calls.
 * HttpFilter and NetworkFilter add what passes.
 */
export class Plugin {
  /** The root context that made this object; 0 for objects of streams. The SDK's. */
  root: u32 = 0;
  /** Contexts that this object stands for. The SDK's. */
  contexts: u32 = 0;

  /** The object of a stream or connection. The SDK's. */
  child(): Plugin {
    return this;
  }

  /** False refuses the configuration. A slice of it lasts for this call: keep() what is needed later. */
  onConfigure(configuration: Slice): bool {
    return true;
  }

  /** Every so often, once setTick() was called. On the configuration's object. */
  onTick(): void {}

  /** A queue that registerQueue() made has something: dequeue() it. On the configuration's object. */
  onQueue(queue: u32): void {}

  /** A call() is over, answered or not; for a stream that has ended it is not told. On the object that called. */
  onCallResponse(call: u32, response: Response): void {}

  /** What a service says in front of the messages of a grpcStream(). On the object that opened it, as the next three. */
  onGrpcMetadata(stream: u32, metadata: Head): void {}

  /** A message of a stream, or the answer to a grpcCall(). */
  onGrpcMessage(id: u32, message: Body): void {}

  onGrpcTrailers(stream: u32, trailers: Head): void {}

  /** A stream is over, or a call without an answer. grpcStatusMessage() says more. */
  onGrpcClose(id: u32, status: u32): void {}

  /** The exchange, or the connection, has ended. */
  onLog(): void {}

  /** The configuration is no longer used: release() what was kept. */
  onRetired(): void {}
}

/** It serves all streams, unless forStream() makes an object for each of them. */
export class HttpFilter extends Plugin {
  child(): Plugin {
    return this.forStream();
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
}

/** In front of a listener's codec: it sees connections. The plugin's type has to be `network`. */
export class NetworkFilter extends Plugin {
  child(): Plugin {
    return this.forConnection();
  }

  /** The filter of one connection. Override it when a connection has state of its own. */
  forConnection(): NetworkFilter {
    return this;
  }

  /** Pause: nothing passes until continueDownstream(). */
  onNewConnection(): Action {
    return Action.Continue;
  }

  /** Bytes from the client. Pause holds them; the next call has all that is held. */
  onDownstreamData(data: Body): Action {
    return Action.Continue;
  }

  /** Bytes for the client. */
  onUpstreamData(data: Body): Action {
    return Action.Continue;
  }

  onDownstreamClose(peer: Peer): void {}

  onUpstreamClose(peer: Peer): void {}
}

/** Who closed a connection. */
export enum Peer {
  Unknown,
  /** This proxy. */
  Local,
  Remote,
}

/** Makes the object of a configuration. Called once in a filter's file: `register(() => new AddHeader())`. */
export function register(make: () => Plugin): void {
  factory = make;
}

function none(): Plugin {
  return new Plugin();
}

export let factory: () => Plugin = none;
