// Who may do what: one table for all routes of the API, and the checks of what a route does in a namespace. A route that is not in
// the table cannot be added.
import { ApiError } from '../api-error.ts';
import type { Caller, Grant, Role } from './caller.ts';

/** What a route needs. `in`: that role in some namespace at least, and the route checks in which; or for the whole mesh. */
export interface Need {
  readonly role: Role;
  readonly in: 'some namespace' | 'the whole mesh';
}

const viewer: Need = { role: 'viewer', in: 'some namespace' };
const operator: Need = { role: 'operator', in: 'some namespace' };
const meshOperator: Need = { role: 'operator', in: 'the whole mesh' };
const admin: Need = { role: 'admin', in: 'the whole mesh' };

/** By method and path; null: anybody, without a token. */
export const NEEDS: Readonly<Record<string, Need | null>> = {
  'GET /': null,
  'GET /ready': null,
  'GET /v1/version': null,

  'GET /v1/whoami': viewer,

  'GET /v1/resources': viewer,
  'GET /v1/revisions': viewer,
  'GET /v1/revisions/:n': viewer,
  'GET /v1/revisions/:n/rollout': viewer,
  'GET /v1/proxies': viewer,
  'GET /v1/modules': viewer,
  // Who knows its digest has seen it, or what refers to it.
  'GET /v1/modules/:digest': viewer,

  // What would change is asked by who may change it: modules are fetched for the answer.
  'POST /v1/diff': operator,
  'POST /v1/apply': operator,
  'POST /v1/delete': operator,
  'POST /v1/rollback': operator,
  // Runs once a resource refers to it.
  'PUT /v1/modules/:digest': operator,
  // Whoever has a user of a proxy speaks for its service account.
  'POST /v1/proxies/:id/user': operator,
  'POST /v1/proxies/:id/revoke': operator,
  // What changes nothing; the route asks for more where it does.
  'POST /v1/proxies/:id/ask': viewer,

  // Whoever has a token by which machines join starts proxies of its namespace.
  'POST /v1/tokens': operator,
  'GET /v1/tokens': operator,
  'POST /v1/tokens/:id/revoke': meshOperator,
  // By such a token alone, which the route asks for.
  'POST /v1/join': operator,

  'GET /v1/authority': { role: 'viewer', in: 'the whole mesh' },
  'POST /v1/authority/rotate': admin,

  // What they are is told to nobody; the routes ask in which namespace.
  'GET /v1/secrets': viewer,
  'PUT /v1/secrets/:namespace/:name': operator,
  'DELETE /v1/secrets/:namespace/:name': operator,

  'GET /v1/backup': meshOperator,
  'POST /v1/restore': admin,
  'POST /v1/restore/secrets': admin,
  'POST /v1/restore/access': admin,

  'GET /v1/access': admin,
  'POST /v1/access': admin,
  'POST /v1/access/:name/revoke': admin,
  'GET /v1/outsiders': admin,
  'POST /v1/outsiders/revoke': admin,
  'POST /v1/outsiders/allow': admin,
};

const ROLES: readonly Role[] = ['viewer', 'operator', 'admin'];

export function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text);
}

/** Throws ApiError 403 when the caller may not ask this of the route at all. */
export function checkRoute(caller: Caller, route: string): void {
  const need = NEEDS[route];
  // Nobody may do what nobody thought about.
  if (need === undefined) throw new ApiError(403, `${route} is for nobody`);
  if (need === null) return;
  const enough = caller.grants.some(
    (grant) => includes(grant.role, need.role) && (need.in === 'some namespace' || grant.namespaces === null),
  );
  if (enough) return;
  const needed = need.in === 'the whole mesh' ? `${need.role} of the whole mesh` : need.role;
  throw new ApiError(403, `${described(caller)} may not ${caller.origin.request}: that needs the role ${needed}`);
}

/** The namespace of a cluster-wide resource is ''. */
export function mayIn(caller: Caller, role: Role, namespace: string): boolean {
  return caller.grants.some(
    (grant) => includes(grant.role, role) && (grant.namespaces === null || grant.namespaces.includes(namespace)),
  );
}

export function mayEverywhere(caller: Caller, role: Role): boolean {
  return caller.grants.some((grant) => includes(grant.role, role) && grant.namespaces === null);
}

/** Throws ApiError 403, naming the first of these keys ('Kind/namespace/name') that the caller may not change. */
export function checkChange(caller: Caller, keys: Iterable<string>): void {
  if (mayEverywhere(caller, 'operator')) return;
  for (const key of keys) {
    const namespace = namespaceOf(key);
    if (mayIn(caller, 'operator', namespace)) continue;
    throw new ApiError(
      403,
      `${described(caller)} may not change ${key.replace('//', '/')}: that needs the role operator of ${place(namespace)}`,
    );
  }
}

/** Throws ApiError 403. `what`: 'make a user for reviews-v1'. */
export function checkIn(caller: Caller, role: Role, namespace: string, what: string): void {
  if (mayIn(caller, role, namespace)) return;
  throw new ApiError(403, `${described(caller)} may not ${what}: that needs the role ${role} of ${place(namespace)}`);
}

/** Of a key of a resource. */
export function namespaceOf(key: string): string {
  return key.split('/', 2)[1] ?? '';
}

/** 'deploy (operator of shop)' */
export function described({ name, grants }: Pick<Caller, 'name' | 'grants'>): string {
  const all = grants.map(describeGrant).join(', ');
  return `${name} (${all === '' ? 'without a role' : all})`;
}

function describeGrant({ role, namespaces }: Grant): string {
  return namespaces === null ? role : `${role} of ${namespaces.join(', ')}`;
}

function place(namespace: string): string {
  return namespace === '' ? 'the whole mesh' : namespace;
}

function includes(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}
