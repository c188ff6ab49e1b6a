// One request that waits for external authorizers: they are asked one after the other, and the first that does not allow it
// answers it. Nothing of it goes on meanwhile. When its client goes, nobody is asked any more.

import type { FilterStream } from '../../exchange/filter.ts';
import { FieldName, type Head } from '../../http/head.ts';
import type { Ending } from '../../wasm/abi/foreign.ts';
import { addField, FRAMING } from '../../wasm/abi/header-map.ts';
import type {
  GiveUp,
  UpstreamFailure,
  UpstreamRequest,
  UpstreamResponse,
  Upstreams,
} from '../../wasm/abi/upstreams.ts';
import type { CheckMetrics } from './check-metrics.ts';
import { type Decision, type Edit, editQuery } from './decision.ts';
import { grpcCheck } from './grpc-check.ts';
import { grpcDecision } from './grpc-decision.ts';
import { checkHead, httpDecision } from './http-check.ts';
import type { Provider } from './provider.ts';

export interface Authorizer {
  readonly provider: Provider;
  readonly metrics: CheckMetrics;
}

type Allowed = Extract<Decision, { type: 'allowed' }>;
type Denied = Extract<Decision, { type: 'denied' }>;

/** Of this filter, which may ask any service of the mesh. */
const CALLER = { name: 'ext-authz', mayCall: null };
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
  private readonly answer: Edit[] = [];

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
    for (const edit of this.answer) applyEdit(head, 'response', edit);
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
    this.giveUp = upstream.call(this.request(provider, body), (outcome) => this.answered(authorizer, outcome));
  }

  private request(provider: Provider, body: Uint8Array | null): UpstreamRequest {
    const { stream, partial } = this;
    const plugin = CALLER.name;
    if (provider.over === 'grpc') return { plugin, ...grpcCheck(stream, provider, body, partial) };
    const { timeoutMs } = provider;
    const head = checkHead(stream.requestHead, provider, body, partial);
    return { plugin, head, body: body ?? NOTHING, trailers: null, timeoutMs, http2: false };
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
    const { provider } = authorizer;
    const decision = provider.over === 'grpc' ? grpcDecision(outcome) : httpDecision(outcome, provider);
    if (decision.type === 'failed') this.failed(authorizer);
    else if (decision.type === 'allowed') this.allowed(authorizer, decision);
    else this.denied(authorizer, decision);
  }

  private allowed({ provider, metrics }: Authorizer, { request, remove, query, response }: Allowed): void {
    const { stream } = this;
    const { requestHead } = stream;
    metrics.count('ok');
    let changed = false;
    for (const edit of request) changed = applyEdit(requestHead, 'request', edit) || changed;
    for (const name of remove) changed = removeField(requestHead, name) || changed;
    if (query !== null) {
      const path = { name: ':path', value: editQuery(requestHead.path, query), how: 'set' } as const;
      changed = applyEdit(requestHead, 'request', path) || changed;
    }
    this.answer.push(...response);
    if (changed && provider.clearRouteCache) stream.clearRouteCache();
    this.at++;
    this.ask();
  }

  private denied({ metrics }: Authorizer, { status, body, fields }: Denied): void {
    metrics.count('denied');
    this.stream.addFlag('UAEX');
    const told = fields.filter(([name]) => !name.startsWith(':') && isEditable(name));
    this.stream.localReply({ status, details: 'ext_authz_denied', body, fields: told, grpcStatus: -1 });
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

/** True for (lower-case) names that an authorizer may speak of: never a frame or a host. */
function isEditable(name: string): boolean {
  return name !== '' && name !== 'host' && !FRAMING.has(name);
}

/** True when the head is another. */
export function applyEdit(head: Head, kind: 'request' | 'response', { name, value, how }: Edit): boolean {
  if (!isEditable(name)) return false;
  // There is always one of each.
  if (name.startsWith(':'))
    return (how === 'set' || how === 'existing') && addField(head, kind, name, value) === 'done';
  const field = new FieldName(name);
  if (how === 'append' || how === 'existing' || how === 'absent') {
    if (head.has(field) === (how === 'absent')) return false;
  }
  // Before: a value that may not be written leaves nothing of the old one behind.
  const replaced = (how === 'set' || how === 'existing') && head.has(field);
  if (replaced) head.remove(field);
  return addField(head, kind, name, value) === 'done' || replaced;
}

/** True when there was one. */
export function removeField(head: Head, name: string): boolean {
  if (name.startsWith(':') || !isEditable(name)) return false;
  const field = new FieldName(name);
  if (!head.has(field)) return false;
  head.remove(field);
  return true;
}
