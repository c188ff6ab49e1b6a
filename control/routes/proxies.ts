// Routes about proxies: who lives and what they run, and how a new one gets its own user of NATS.
import { Type } from 'typebox';
import { ApiError } from '../api-error.ts';
import type { Rollouts } from '../rollout.ts';
import { ERRORS, ProxiesReply } from '../schemas.ts';
import type { Store } from '../store.ts';
import type { App } from './app.ts';

/** As openBus takes it. */
export interface ProxyUser {
  readonly user: string;
  readonly password: string;
  readonly verifyKey: string;
}

export interface ProxyRouteParts {
  readonly store: Store;
  readonly rollouts: Rollouts;
  readonly servers: readonly string[];
  issueUser?(proxy: string): Promise<ProxyUser>;
}

export function proxyRoutes(app: App, { store, rollouts, servers, issueUser }: ProxyRouteParts): void {
  app.get(
    '/v1/proxies',
    {
      schema: {
        summary: 'Every proxy with a live lease, and what it runs',
        tags: ['proxies'],
        response: { 200: ProxiesReply, ...ERRORS },
      },
    },
    async () => rollouts.proxies(store.state.revision),
  );

  app.post(
    '/v1/proxies/:id/user',
    {
      schema: {
        summary: 'A user of NATS that can speak for this proxy alone',
        tags: ['proxies'],
        params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 200 }) }),
        response: {
          200: Type.Object({
            servers: Type.Array(Type.String()),
            user: Type.String(),
            password: Type.String(),
            verifyKey: Type.String({ description: 'Commits that are not signed with this key are ignored' }),
          }),
          ...ERRORS,
        },
      },
    },
    async ({ params: { id } }) => {
      if (issueUser === undefined) throw new ApiError(404, 'this control plane does not keep the users of its NATS');
      const { user, password, verifyKey } = await issueUser(id);
      return { servers: [...servers], user, password, verifyKey };
    },
  );
}
