// An external authorizer over HTTP: what it is sent of a request (its method, host and path, the headers that are asked of it, and
// of its body as much as is), and what its answer says. What a client calls one of the additional headers is not sent.

import { FieldName, Head } from '../../http/head.ts';
import type { UpstreamFailure, UpstreamResponse } from '../../wasm/abi/upstreams.ts';
import { type Decision, type Edit, FAILED, type Fields } from './decision.ts';
import type { HttpProvider } from './provider.ts';

const PARTIAL_BODY = 'x-envoy-auth-partial-body';
const TO_REMOVE = new FieldName('x-envoy-auth-headers-to-remove');
const ALLOWED = 200;

/** `body`: what is sent of the request's; null: nothing is asked for. `partial`: there is more of it. */
export function checkHead(request: Head, provider: HttpProvider, body: Uint8Array | null, partial: boolean): Head {
  const { pathPrefix, asksOf, additionalHeaders } = provider;
  const head = Head.request(request.method, request.authority, `${pathPrefix}${request.path}`);
  head.scheme = request.scheme;
  const own = new Set(additionalHeaders.map(([name]) => name));
  const { size } = request;
  for (let i = 0; i < size; i++) {
    const name = request.nameAt(i).toLowerCase();
    if (name === '' || name === PARTIAL_BODY || own.has(name) || !asksOf(name)) continue;
    head.add(name, request.valueAt(i));
  }
  for (const [name, value] of additionalHeaders) {
    if (name === 'host') head.newAuthority = value;
    else head.add(name, value);
  }
  if (body !== null) head.add(PARTIAL_BODY, String(partial));
  head.contentLength = body?.length ?? 0;
  return head;
}

export function httpDecision(outcome: UpstreamResponse | UpstreamFailure, provider: HttpProvider): Decision {
  if ('failure' in outcome || outcome.head.status >= 500) return FAILED;
  const { head, body } = outcome;
  if (head.status !== ALLOWED) {
    return { type: 'denied', status: head.status, body, fields: fieldsOf(head, provider.toDownstreamOnDeny) };
  }
  const replaced = new Set<string>();
  const request = fieldsOf(head, provider.toUpstream).map(([name, value]): Edit => {
    const how = replaced.has(name) ? 'add' : 'set';
    replaced.add(name);
    return { name, value, how };
  });
  const remove = (head.joined(TO_REMOVE) ?? '').split(',').map((name) => name.trim().toLowerCase());
  const response = fieldsOf(head, provider.toDownstreamOnAllow).map(
    ([name, value]): Edit => ({ name, value, how: 'add' }),
  );
  return { type: 'allowed', request, remove, query: null, response };
}

/** Those that may be handed on: nothing that only the authorizer and its asker speak of. */
function fieldsOf(head: Head, wanted: (name: string) => boolean): Fields {
  const fields: Fields = [];
  const { size } = head;
  for (let i = 0; i < size; i++) {
    const name = head.nameAt(i).toLowerCase();
    if (name === '' || name === TO_REMOVE.lower || !wanted(name)) continue;
    fields.push([name, head.valueAt(i)]);
  }
  return fields;
}
