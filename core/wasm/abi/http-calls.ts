// The HTTP calls that one instance has under way. They belong to plugins' roots: a stream's end does not end them, and each
// is answered by exactly one proxy_on_http_call_response, also when it failed. With the instance they are given up.

import { fieldCount } from '../../http/pseudo-headers.ts';
import { Status } from './abi.ts';
import type { CallIds } from './call-ids.ts';
import type { Host } from './host.ts';
import type { GiveUp, Upstream, UpstreamFailure, UpstreamRequest, UpstreamResponse } from './upstreams.ts';

/** Calls and streams that one plugin may have under way on one shard. */
export const MAX_CALLS = 1024;

/** The plugin that calls. */
export interface HttpCaller {
  readonly name: string;
  /** Those that it waits for, over HTTP and gRPC. */
  calls: number;
  /** Calls proxy_on_http_call_response. A call that failed has no fields. */
  httpCallEnded(id: number, fields: number, bodyBytes: number, trailers: number): void;
}

interface Call {
  readonly plugin: HttpCaller;
  readonly giveUp: GiveUp;
}

export class HttpCalls {
  /** What the running callback is about: readable whatever the effective context is. Null outside of it. */
  response: UpstreamResponse | null = null;
  /** What proxy_get_status says. */
  statusCode = 0;
  statusText = '';
  private readonly host: Pick<Host, 'log'>;
  private readonly calls = new Map<number, Call>();
  private readonly ids: CallIds;

  constructor(host: Pick<Host, 'log'>, ids: CallIds) {
    this.host = host;
    this.ids = ids;
  }

  get size(): number {
    return this.calls.size;
  }

  /** Id of the call; 0: the plugin has too many under way. */
  begin(plugin: HttpCaller, upstream: Upstream, request: UpstreamRequest): number {
    if (plugin.calls >= MAX_CALLS) return 0;
    const id = this.ids.take();
    plugin.calls++;
    this.calls.set(id, { plugin, giveUp: upstream.call(request, (outcome) => this.ended(id, outcome)) });
    return id;
  }

  /** Gives up the calls of one plugin, or of all: nobody is there to hear of them. */
  drop(of: HttpCaller | null): void {
    for (const [id, { plugin, giveUp }] of this.calls) {
      if (of !== null && plugin !== of) continue;
      this.calls.delete(id);
      this.ids.give(id);
      plugin.calls--;
      giveUp();
    }
  }

  private ended(id: number, outcome: UpstreamResponse | UpstreamFailure): void {
    const call = this.calls.get(id);
    if (call === undefined) return;
    this.calls.delete(id);
    this.ids.give(id);
    const { plugin } = call;
    plugin.calls--;
    if ('failure' in outcome) {
      this.statusCode = Status.BrokenConnection;
      this.statusText = 'reset';
      this.host.log('debug', plugin.name, `call ${id} has no answer: ${outcome.failure}`);
      plugin.httpCallEnded(id, 0, 0, 0);
    } else {
      const { head, body, trailers } = outcome;
      this.response = outcome;
      const count = trailers === null ? 0 : fieldCount(trailers, 'trailers');
      plugin.httpCallEnded(id, fieldCount(head, 'response'), body.length, count);
    }
    this.response = null;
    this.statusCode = 0;
    this.statusText = '';
  }
}
