// What stands behind the names of order.ts: each built-in by its room.

import { authn } from './authn/authn.ts';
import type { Builtin } from './builtin.ts';
import { cors } from './cors/cors.ts';
import { fault } from './fault/fault.ts';
import { headers } from './headers/headers.ts';
import type { BuiltinName } from './order.ts';
import { ratelimit } from './ratelimit/ratelimit.ts';
import { rbac } from './rbac/rbac.ts';

export const BUILTINS: Readonly<Record<BuiltinName, Builtin>> = { authn, cors, fault, headers, ratelimit, rbac };
