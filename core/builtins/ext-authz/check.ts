// One request that waits for external authorizers: they are asked one after the other, and the first that does not allow it
// answers it. Nothing of it goes on meanwhile. When its client goes, nobody is asked any more.

import type { FilterStream } from '../../exchange/filter.ts';
import { FieldName, type Head } from '../../http/head.ts';
import type { Ending } from '../../wasm/abi/foreign.ts';
import { addField, FRAMING } from '../../wasm/abi/header-map.ts';
import type { GiveUp, UpstreamFailure, UpstreamResponse, Upstreams } from '../../wasm/abi/upstreams.ts';
import type { CheckMetrics } from './check-metrics.ts';
import { checkHead } from './check-request.ts';
import type { Provider } from './provider.ts';

export interface Authorizer {
  readonly provider: Provider;
  readonly metrics: CheckMetrics;
}

type Fields = [string, string][];

/** Of this filter, which may ask any service of the mesh. */
const CALLER = { name: 'ext-authz', mayCall: null };
const ALLOWED = 200;
const TO_REMOVE = new FieldName('x-envoy-auth-headers-to-remove');
const NOTHING = new Uint8Array(0);

export class Check implements Ending {
  private readonly stream: FilterStream;
  private readonly authorizers: readonly Authorizer[];
  private readonly upstreams: Upstreams;
  /** No body follows, or all of it that may be sent is here. */
  private whole: boolean;
  private partial = false;
  private at = 0;
  private giveUp: GiveUp | null = null;
  private readonly answer: Fields = [];

  constructor(stream: FilterStream, authorizers: readonly Authorizer[], upstreams: Upstreams, whole: boolean) {
    this.stream = stream;
    this.authorizers = authorizers;
    this.upstreams = upstreams;
    this.whole = whole;
  }

  /** In the callback that holds the request. */
  begin(): void {
    const wanted = this.authorizers.flatMap(({ provider: { body } }) => (body === null ? [] : body.most));
    if (this.whole || wanted.length === 0) {
      this.ask();
      return;
    }
    this.stream.gather(Math.max(...wanted) + 1, () => {
      this.whole = true;
      this.ask();
    });
  }

  /** The exchange has ended. */
  end(): void {
    this.giveUp?.();
    this.giveUp = null;
  }

  /** Into the head of the answer that the request gets. */
  tell(head: Head): void {
    for (const [name, value] of this.answer) addField(head, 'response', name, value);
  }

  private ask(): void {
    const { stream } = this;
    const authorizer = this.authorizers[this.at];
    if (authorizer === undefined) {
      stream.resume('request');
      return;
    }
    const { provider } = authorizer;
    const body = this.bodyFor(provider);
    if (body === 'too large') {
      authorizer.metrics.count('denied');
      const details = 'request_payload_too_large';
      stream.localReply({ status: 413, details, body: 'Payload Too Large', fields: [], grpcStatus: -1 });
      return;
    }
    const upstream = this.upstreams.find(provider.cluster, CALLER);
    if (upstream === null) {
      this.failed(authorizer);
      return;
    }
    const head = checkHead(stream.requestHead, provider, body, this.partial);
    const request = {
      plugin: CALLER.name,
      head,
      body: body ?? NOTHING,
      trailers: null,
      timeoutMs: provider.timeoutMs,
    };
    this.giveUp = upstream.call(request, (outcome) => this.answered(authorizer, outcome));
  }

  /** Null: the authorizer wants none. */
  private bodyFor({ body }: Provider): Uint8Array | 'too large' | null {
    this.partial = false;
    if (body === null) return null;
    const held = this.stream.body('request')?.bytes() ?? NOTHING;
    if (held.length <= body.most) return held;
    if (!body.partial) return 'too large';
    this.partial = true;
    return held.subarray(0, body.most);
  }

  private answered(authorizer: Authorizer, outcome: UpstreamResponse | UpstreamFailure): void {
    this.giveUp = null;
    if ('failure' in outcome || outcome.head.status >= 500) this.failed(authorizer);
    else if (outcome.head.status === ALLOWED) this.allowed(authorizer, outcome.head);
    else this.denied(authorizer, outcome);
  }

  private allowed({ provider, metrics }: Authorizer, answer: Head): void {
    const { stream } = this;
    const { requestHead } = stream;
    metrics.count('ok');
    let changed = false;
    for (const name of (answer.joined(TO_REMOVE) ?? '').split(',')) {
      const plain = name.trim().toLowerCase();
      if (plain === '' || plain === 'host' || plain.startsWith(':') || FRAMING.has(plain)) continue;
      requestHead.remove(new FieldName(plain));
      changed = true;
    }
    const upstream = fieldsOf(answer, provider.toUpstream);
    for (const name of new Set(upstream.map(([name]) => name))) requestHead.remove(new FieldName(name));
    for (const [name, value] of upstream) changed = addField(requestHead, 'request', name, value) === 'done' || changed;
    this.answer.push(...fieldsOf(answer, provider.toDownstreamOnAllow));
    if (changed && provider.clearRouteCache) stream.clearRouteCache();
    this.at++;
    this.ask();
  }

  private denied({ provider, metrics }: Authorizer, { head, body }: UpstreamResponse): void {
    metrics.count('denied');
    this.stream.addFlag('UAEX');
    const fields = fieldsOf(head, provider.toDownstreamOnDeny);
    this.stream.localReply({ status: head.status, details: 'ext_authz_denied', body, fields, grpcStatus: -1 });
  }

  private failed({ provider, metrics }: Authorizer): void {
    if (provider.failOpen) {
      metrics.count('failure_mode_allowed');
      this.at++;
      this.ask();
      return;
    }
    metrics.count('error');
    this.stream.addFlag('UAEX');
    const status = provider.statusOnError;
    this.stream.localReply({ status, details: 'ext_authz_error', body: '', fields: [], grpcStatus: -1 });
  }
}

/** Those that may be handed on: never a frame, a host or what only the authorizer and its asker speak of. */
function fieldsOf(head: Head, wanted: (name: string) => boolean): Fields {
  const fields: Fields = [];
  const { size } = head;
  for (let i = 0; i < size; i++) {
    const name = head.nameAt(i).toLowerCase();
    if (name === '' || name === 'host' || FRAMING.has(name) || name === TO_REMOVE.lower || !wanted(name)) continue;
    fields.push([name, head.valueAt(i)]);
  }
  return fields;
}
