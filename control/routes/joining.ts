// Routes by which other machines join: tokens for an administrator, and the first contact of who has one.

import { createHash, X509Certificate } from 'node:crypto';
import { checkIn, mayIn } from '../access/permissions.ts';
import { ApiError } from '../api-error.ts';
import { tokenText } from '../joining/token.ts';
import type { Tokens } from '../joining/tokens.ts';
import { ERRORS } from '../schemas.ts';
import { Type } from '../shapes.ts';
import type { App } from './app.ts';

export interface JoiningParts {
  readonly tokens: Tokens;
  /** Where other machines reach the API; null: they do not. */
  url(): string | null;
  /** Roots of what they find there, in PEM, or ''. */
  readonly roots: string;
  /** What a proxy needs to reach NATS. */
  readonly bus: { readonly servers: readonly string[]; readonly ca?: string; readonly verifyKey?: string };
}

const Name = Type.String({ pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$', description: 'A DNS label' });
const Names = (minItems: number) => Type.Array(Name, { minItems, maxItems: 100, uniqueItems: true });
const BOUNDS = {
  namespace: Name,
  serviceAccounts: Names(1),
  services: Type.Array(Name, { maxItems: 100, description: 'What proxies may say that they serve; empty: anything' }),
};
const TokenReply = Type.Object(
  {
    id: Type.String(),
    ...BOUNDS,
    created: Type.String(),
    expires: Type.String(),
    left: Type.Integer({ description: 'How many machines may still join' }),
    state: Type.Enum(['valid', 'expired', 'used up', 'revoked']),
    machines: Type.Array(Type.Object({ id: Type.String(), name: Type.String(), joined: Type.String() })),
  },
  { title: 'Token' },
);
const MAX_TTL_S = 365 * 86_400;

export function joiningRoutes(app: App, { tokens, url, roots, bus }: JoiningParts): void {
  app.post(
    '/v1/tokens',
    {
      schema: {
        summary: 'A token by which machines join; it is shown this once',
        tags: ['machines'],
        body: Type.Object(
          {
            ...BOUNDS,
            ttlSeconds: Type.Integer({ minimum: 1, maximum: MAX_TTL_S }),
            uses: Type.Integer({ minimum: 1, maximum: 10_000 }),
          },
          { additionalProperties: false },
        ),
        response: { 200: Type.Object({ id: Type.String(), token: Type.String() }), ...ERRORS },
      },
    },
    async ({ body: { ttlSeconds, uses, ...bounds }, caller }) => {
      checkIn(caller, 'operator', bounds.namespace, `make a token by which machines join ${bounds.namespace}`);
      const api = reached(url());
      const { id, proof } = await tokens.create(bounds, { ttlMs: ttlSeconds * 1_000, uses });
      return { id, token: tokenText({ api, fingerprint: fingerprintOf(roots), proof }) };
    },
  );

  app.get(
    '/v1/tokens',
    {
      schema: {
        summary: 'Tokens, newest first, and the machines that joined by them',
        tags: ['machines'],
        response: { 200: Type.Array(TokenReply), ...ERRORS },
      },
    },
    async ({ caller }) =>
      (await tokens.list()).filter(({ namespace }) => mayIn(caller, 'operator', namespace)) as never,
  );

  app.post(
    '/v1/tokens/:id/revoke',
    {
      schema: {
        summary: 'Nobody joins by this token any more, and its machines enrol no proxy; or one of its machines',
        tags: ['machines'],
        params: Type.Object({ id: Type.String({ pattern: '^[a-z0-9]{12}$' }) }),
        response: { 200: Type.Object({ machines: Type.Integer() }), ...ERRORS },
      },
    },
    async ({ params: { id } }) => tokens.revoke(id),
  );

  app.post(
    '/v1/join',
    {
      schema: {
        summary: 'Makes a machine of one use of a token, which is the bearer token of this request',
        tags: ['machines'],
        body: Type.Object(
          { machine: Type.String({ minLength: 1, maxLength: 200, description: 'What it calls itself' }) },
          { additionalProperties: false },
        ),
        response: {
          200: Type.Object({
            id: Type.String(),
            proof: Type.String({ description: 'The bearer token by which it enrols proxies' }),
            ...BOUNDS,
            bus: Type.Object({
              servers: Type.Array(Type.String()),
              ca: Type.Optional(Type.String()),
              verifyKey: Type.Optional(Type.String()),
            }),
          }),
          ...ERRORS,
        },
      },
    },
    async ({ proof, body: { machine } }) => {
      reached(url());
      if (proof === '')
        throw new ApiError(400, 'a machine joins by a token of `mesh token create`, not by that of the API');
      return { ...(await tokens.join(proof, machine)), bus: { ...bus, servers: [...bus.servers] } } as never;
    },
  );
}

function reached(url: string | null): string {
  if (url !== null) return url;
  throw new ApiError(409, 'no other machine reaches this control plane: start it with --listen ADDRESS');
}

/** Of the root: SHA-256 of its DER. */
function fingerprintOf(roots: string): string {
  return createHash('sha256').update(new X509Certificate(roots).raw).digest('base64url');
}
