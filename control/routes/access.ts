// Routes of access to the API itself: who one is, and the tokens that let others in.

import type { Outsiders } from '../access/outsiders.ts';
import type { AccessTokens } from '../access/tokens.ts';
import { ApiError } from '../api-error.ts';
import { ERRORS } from '../schemas.ts';
import { Type } from '../shapes.ts';
import type { App } from './app.ts';

const MIN_TTL_S = 60;
const MAX_TTL_S = 3_650 * 86_400;

const Name = Type.String({
  pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
  description: 'Lower-case letters, digits and dashes, at most 63',
});
const RoleName = Type.Enum(['viewer', 'operator', 'admin']);
const Namespaces = Type.Union([Type.Array(Type.String()), Type.Null()], { description: 'null: the whole mesh' });
const Time = (description: string) => Type.String({ description: `ISO 8601: ${description}` });
const MaybeTime = (description: string) => Type.Union([Time(description), Type.Null()]);

const TOKEN = {
  name: Type.String(),
  role: RoleName,
  namespaces: Namespaces,
  state: Type.Enum(['valid', 'expired', 'revoked']),
  expires: Time('from then on it is not valid'),
  createdAt: Time('when it was made'),
  createdBy: Type.String({ description: 'By whose token' }),
  revokedAt: MaybeTime('since when it is not valid'),
  revokedBy: Type.Union([Type.String(), Type.Null()]),
  lastUsed: MaybeTime('to the minute; null: never'),
};
const TokenSchema = Type.Object(TOKEN, { title: 'AccessToken' });

const Whoami = Type.Object(
  {
    name: Type.String(),
    grants: Type.Array(Type.Object({ role: RoleName, namespaces: Namespaces })),
    expires: MaybeTime('from then on it is not valid; null: it does not expire'),
    address: Type.String({ description: 'From which the control plane is asked' }),
  },
  { title: 'Whoami' },
);

const OutsidersName = Type.String({
  maxLength: 200,
  pattern: '^(oidc|cert):.+$',
  description: 'oidc:NAME or cert:NAME',
});
const OutsiderSchema = Type.Object(
  { name: Type.String(), revokedAt: Time('since when'), revokedBy: Type.String() },
  { title: 'Outsider' },
);

export function accessRoutes(app: App, tokens: AccessTokens, onLog: (line: string) => void): void {
  outsiderRoutes(app, tokens.outsiders, onLog);

  app.get(
    '/v1/whoami',
    { schema: { summary: 'Whom this token stands for', tags: ['access'], response: { 200: Whoami, ...ERRORS } } },
    async ({ caller: { name, grants, expires, origin } }) => ({
      name,
      grants: grants.map(({ role, namespaces }) => ({ role, namespaces: namespaces && [...namespaces] })),
      expires: expires === null ? null : new Date(expires).toISOString(),
      address: origin.address,
    }),
  );

  app.get(
    '/v1/access',
    {
      schema: {
        summary: 'The tokens of the API, by name; not those in the files of control planes',
        tags: ['access'],
        response: { 200: Type.Array(TokenSchema), ...ERRORS },
      },
    },
    async () => tokens.list().map(copied),
  );

  app.post(
    '/v1/access',
    {
      schema: {
        summary: 'Make a token; it is told in this answer and never again',
        tags: ['access'],
        body: Type.Object(
          {
            name: Name,
            role: RoleName,
            namespaces: Type.Optional(
              Type.Array(Name, { minItems: 1, maxItems: 100, description: 'Without it: the whole mesh' }),
            ),
            ttlSeconds: Type.Integer({ minimum: MIN_TTL_S, maximum: MAX_TTL_S }),
          },
          { additionalProperties: false },
        ),
        response: { 200: Type.Object({ token: Type.String(), ...TOKEN }, { title: 'NewAccessToken' }), ...ERRORS },
      },
    },
    async ({ body: { name, role, namespaces, ttlSeconds }, caller }) => {
      if (role === 'admin' && namespaces !== undefined) {
        throw new ApiError(400, 'an admin is one of the whole mesh: an operator may be one of namespaces');
      }
      const grant = { role, namespaces: namespaces === undefined ? null : [...new Set(namespaces)].sort() };
      const made = await tokens.create({ name, grant, ttlMs: ttlSeconds * 1_000 }, caller);
      onLog(`${caller.name} made the token ${name}: ${role}, ${grant.namespaces?.join(', ') ?? 'the whole mesh'}`);
      return copied(made);
    },
  );

  app.post(
    '/v1/access/:name/revoke',
    {
      schema: {
        summary: 'Make a token invalid, at once and at every control plane',
        tags: ['access'],
        params: Type.Object({ name: Name }),
        response: { 200: TokenSchema, ...ERRORS },
      },
    },
    async ({ params: { name }, caller }) => {
      const revoked = await tokens.revoke(name, caller);
      onLog(`${caller.name} revoked the token ${name}`);
      return copied(revoked);
    },
  );
}

function outsiderRoutes(app: App, outsiders: Outsiders, onLog: (line: string) => void): void {
  const body = Type.Object({ name: OutsidersName }, { additionalProperties: false });
  app.get(
    '/v1/outsiders',
    {
      schema: {
        summary: 'Who is let in no more whom an issuer or an authority vouches for, by name',
        tags: ['access'],
        response: { 200: Type.Array(OutsiderSchema), ...ERRORS },
      },
    },
    async () => outsiders.list(),
  );

  app.post(
    '/v1/outsiders/revoke',
    {
      schema: {
        summary: 'Let somebody in no more, at once and at every control plane, whoever vouches for them',
        tags: ['access'],
        body,
        response: { 200: OutsiderSchema, ...ERRORS },
      },
    },
    async ({ body: { name }, caller }) => {
      const out = await outsiders.revoke(name, caller);
      onLog(`${caller.name} revoked ${name}`);
      return out;
    },
  );

  app.post(
    '/v1/outsiders/allow',
    {
      schema: {
        summary: 'Let somebody in again, as far as somebody vouches for them',
        tags: ['access'],
        body,
        response: { 200: Type.Object({ name: Type.String() }), ...ERRORS },
      },
    },
    async ({ body: { name }, caller }) => {
      await outsiders.allow(name);
      onLog(`${caller.name} allowed ${name} again`);
      return { name };
    },
  );
}

function copied<T extends { readonly namespaces: readonly string[] | null }>(token: T) {
  return { ...token, namespaces: token.namespaces && [...token.namespaces] };
}
