// Which built-in filters stand in which chain, in the order of a request. The one place that says so.

import { authn } from './authn/authn.ts';
import type { Builtin, ConfigurableBuiltin } from './builtin.ts';
import { cors } from './cors/cors.ts';
import { fault, insertedFault } from './fault/fault.ts';
import { headers } from './headers/headers.ts';
import { ratelimit } from './ratelimit/ratelimit.ts';
import { rbac } from './rbac/rbac.ts';

/** A listener's side of the mesh: at the server, at the client, or at the edge. */
export type ChainKind = 'inbound' | 'outbound' | 'gateway';

export const CHAIN_ORDER: Readonly<Record<ChainKind, readonly Builtin[]>> = {
  inbound: [authn, rbac, ratelimit],
  outbound: [fault, cors],
  gateway: [authn, rbac, ratelimit, fault, cors],
};

/** Those that a FilterChain may insert by name. */
export const CONFIGURABLE: readonly ConfigurableBuiltin[] = [headers, insertedFault];
