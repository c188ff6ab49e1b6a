// The HTTP calls that one instance has under way. They belong to plugins' roots: a stream's end does not end them, and each
// is answered by exactly one proxy_on_http_call_response, also when it failed. With the instance they are given up.

import { Status } from '../abi/abi.ts';
import { fieldCount } from '../abi/header-map.ts';
import type { GiveUp, Upstream, UpstreamFailure, UpstreamRequest, UpstreamResponse } from '../abi/upstreams.ts';
import type { Instance } from './instance.ts';
import type { Plugin } from './plugin.ts';

/** Calls that one plugin may have under way on one shard. */
const MAX_CALLS = 1024;

interface Call {
  readonly plugin: Plugin;
  readonly giveUp: GiveUp;
}

export class HttpCalls {
  /** What the running callback is about: readable whatever the effective context is. Null outside of it. */
  response: UpstreamResponse | null = null;
  /** What proxy_get_status says. */
  statusCode = 0;
  statusText = '';
  private readonly instance: Instance;
  private readonly calls = new Map<number, Call>();
  private lastId = 0;

  constructor(instance: Instance) {
    this.instance = instance;
  }

  get size(): number {
    return this.calls.size;
  }

  /** Id of the call; 0: the plugin has too many under way. */
  begin(plugin: Plugin, upstream: Upstream, request: UpstreamRequest): number {
    if (plugin.calls >= MAX_CALLS) return 0;
    do this.lastId = (this.lastId + 1) >>> 0;
    while (this.lastId === 0 || this.calls.has(this.lastId));
    const id = this.lastId;
    plugin.calls++;
    this.calls.set(id, { plugin, giveUp: upstream.call(request, (outcome) => this.ended(id, outcome)) });
    return id;
  }

  /** Gives up the calls of one plugin, or of all: nobody is there to hear of them. */
  drop(of: Plugin | null): void {
    for (const [id, { plugin, giveUp }] of this.calls) {
      if (of !== null && plugin !== of) continue;
      this.calls.delete(id);
      plugin.calls--;
      giveUp();
    }
  }

  private ended(id: number, outcome: UpstreamResponse | UpstreamFailure): void {
    const call = this.calls.get(id);
    if (call === undefined) return;
    this.calls.delete(id);
    const { plugin } = call;
    plugin.calls--;
    if ('failure' in outcome) {
      this.statusCode = Status.BrokenConnection;
      this.statusText = 'reset';
      plugin.vm.host.log('debug', plugin.name, `call ${id} has no answer: ${outcome.failure}`);
      this.tell(plugin, id, 0, 0, 0);
    } else {
      const { head, body, trailers } = outcome;
      this.response = outcome;
      const count = trailers === null ? 0 : fieldCount(trailers, 'trailers');
      this.tell(plugin, id, fieldCount(head, 'response'), body.length, count);
    }
    this.response = null;
    this.statusCode = 0;
    this.statusText = '';
  }

  private tell(plugin: Plugin, ...parameters: number[]): void {
    const { instance } = this;
    const { httpCallResponse } = instance.callbacks;
    plugin.vm.call(
      instance,
      plugin.root,
      'proxy_on_http_call_response',
      httpCallResponse,
      plugin.contextId,
      ...parameters,
    );
  }
}
