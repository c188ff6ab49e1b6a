// Routes about proxies: who lives and what they run, and how a new one gets its own user of NATS.

import type { Question, Questions, Users } from '../../bus/types.ts';
import type { Caller } from '../access/caller.ts';
import { checkIn, mayEverywhere, mayIn } from '../access/permissions.ts';
import { ApiError } from '../api-error.ts';
import { NotRevoked } from '../authority/revoking.ts';
import type { Tokens } from '../joining/tokens.ts';
import type { Rollouts } from '../rollout.ts';
import { ERRORS, ProxiesReply } from '../schemas.ts';
import { Type } from '../shapes.ts';
import type { Store } from '../store.ts';
import type { App } from './app.ts';

export interface ProxyRouteParts {
  readonly tokens: Tokens;
  readonly store: Store;
  readonly rollouts: Rollouts;
  /** null: this control plane has no keys to make users with. */
  readonly users: Users | null;
  /** Those that the node has count no more. Throws NotRevoked. */
  revokeCertificates(node: string): Promise<void>;
  onLog(line: string): void;
  readonly questions: Questions;
}

const MAX_PROXIES = 20_000;
const Name = Type.String({ minLength: 1, maxLength: 200 });

export function proxyRoutes(app: App, parts: ProxyRouteParts): void {
  const { store, rollouts, users, revokeCertificates, tokens, questions, onLog } = parts;
  app.get(
    '/v1/proxies',
    {
      schema: {
        summary: 'Every proxy with a live lease, by id, and what it runs',
        tags: ['proxies'],
        querystring: Type.Object(
          {
            limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PROXIES })),
            after: Type.Optional(
              Type.String({ maxLength: 400, description: 'Those behind this id, to read on where a list ended' }),
            ),
            name: Type.Optional(
              Type.String({ maxLength: 400, description: 'Those whose id, or name within it, begins so' }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: ProxiesReply, ...ERRORS },
      },
    },
    async ({ query, caller }) =>
      rollouts.proxies(store.state.revision, {
        ...query,
        only: mayEverywhere(caller, 'viewer')
          ? undefined
          : ({ from }) => mayIn(caller, 'viewer', from?.namespace ?? ''),
      }),
  );

  app.post(
    '/v1/proxies/:id/user',
    {
      schema: {
        summary: 'A user of NATS that can speak for this proxy alone',
        tags: ['proxies'],
        params: Type.Object({ id: Name }),
        body: Type.Object(
          {
            namespace: Name,
            serviceAccount: Name,
            services: Type.Optional(
              Type.Array(Name, { maxItems: 100, description: 'What it is going to say that it serves' }),
            ),
            publicKey: Type.String({ description: 'Of a NATS user (U...); its seed stays with the proxy' }),
          },
          { additionalProperties: false },
        ),
        response: {
          200: Type.Object({ jwt: Type.String({ description: 'What the key may do, and until when' }) }),
          ...ERRORS,
        },
      },
    },
    async ({ proof, params: { id: node }, body: { namespace, serviceAccount, services = [], publicKey }, caller }) => {
      const identity = { namespace, serviceAccount, node };
      const all = keeper(users);
      let may: readonly string[] = [];
      if (proof !== '') {
        ({ services: may } = await tokens.mayEnrol(proof, identity));
        const other = services.find((service) => may.length > 0 && !may.includes(service));
        if (other !== undefined) {
          throw new ApiError(403, `the token is for the services ${may.join(', ')}, not ${other}`);
        }
      } else {
        checkIn(caller, 'operator', namespace, `make a user of NATS for ${namespace}/${serviceAccount}`);
        checkNode(caller, node, 'make a user of NATS for');
      }
      try {
        return { jwt: await all.issue(identity, publicKey, may) };
      } catch (error) {
        if (error instanceof RangeError) throw new ApiError(400, error.message);
        throw error;
      }
    },
  );

  app.post(
    '/v1/proxies/:id/ask',
    {
      schema: {
        summary: "What one of a proxy's admin endpoints answers, wherever the proxy is",
        tags: ['proxies'],
        params: Type.Object({ id: Name }),
        body: Type.Object(
          {
            method: Type.Enum(['GET', 'POST']),
            path: Type.String({ pattern: '^/', maxLength: 2_000, description: 'With its query' }),
          },
          { additionalProperties: false },
        ),
        response: {
          200: Type.Object({ status: Type.Integer(), type: Type.String(), body: Type.String() }),
          ...ERRORS,
        },
      },
    },
    async ({ params: { id }, body, caller }) => {
      const from = rollouts.leases.get(id)?.from;
      if (from === undefined) throw new ApiError(404, `no proxy ${id} lives`);
      const role = body.method === 'POST' ? 'operator' : 'viewer';
      checkIn(caller, role, from.namespace, `${body.method} ${body.path} of ${id.split('~')[2] ?? id}`);
      return questions.ask(from, body as Question);
    },
  );

  app.post(
    '/v1/proxies/:id/revoke',
    {
      schema: {
        summary: 'Puts every user of NATS of this proxy out, and has its certificates refused, for good',
        tags: ['proxies'],
        params: Type.Object({ id: Name }),
        response: { 200: Type.Object({ revoked: Type.Integer() }), ...ERRORS },
      },
    },
    async ({ params: { id }, caller }) => {
      checkNode(caller, id, 'revoke');
      const revoked = await keeper(users).revoke(id);
      // Afterwards it cannot ask for another one.
      if (revoked > 0) {
        await revokeCertificates(id).catch((error: Error) => {
          throw error instanceof NotRevoked ? new ApiError(409, `its users are out, but ${error.message}`) : error;
        });
      }
      onLog(`${caller.name} revoked ${revoked} users of NATS of ${JSON.stringify(id)}`);
      return { revoked };
    },
  );
}

/** Of an id that names no namespace nobody is operator but those of the whole mesh. Throws ApiError 403. */
function checkNode(caller: Caller, id: string, what: string): void {
  if (mayEverywhere(caller, 'operator')) return;
  // TYPE~ADDRESS~NAME.NAMESPACE~DOMAIN
  const name = id.split('~')[2] ?? '';
  checkIn(caller, 'operator', name.slice(name.lastIndexOf('.') + 1), `${what} ${name || id}`);
}

function keeper(users: Users | null): Users {
  if (users === null) throw new ApiError(404, 'this control plane does not keep the users of its NATS');
  return users;
}
