// What an external authorizer is sent of a request: its method, host and path, the headers that are asked of it, and of its body as
// much as is. What a client calls one of the additional headers is not sent.

import { Head } from '../../http/head.ts';
import type { Provider } from './provider.ts';

const PARTIAL_BODY = 'x-envoy-auth-partial-body';

/** `body`: what is sent of the request's; null: nothing is asked for. `partial`: there is more of it. */
export function checkHead(request: Head, provider: Provider, body: Uint8Array | null, partial: boolean): Head {
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
