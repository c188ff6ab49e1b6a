// Routes that need no token: what this is, and whether it works.

import type { Bus } from '../../bus/types.ts';
import { ERRORS } from '../schemas.ts';
import { Type } from '../shapes.ts';
import type { Store } from '../store.ts';
import type { App } from './app.ts';

export function metaRoutes(
  app: App,
  parts: { bus: Bus; store: Store; version: string; natsTrouble(): Promise<string> },
): void {
  const { bus, store, version, natsTrouble } = parts;

  app.get(
    '/v1/version',
    {
      schema: {
        summary: 'What runs here',
        tags: ['control plane'],
        security: [],
        response: {
          200: Type.Object({ version: Type.String(), node: Type.String() }, { title: 'Version' }),
          ...ERRORS,
        },
      },
    },
    async () => ({ version, node: process.version }),
  );

  const Ready = Type.Object(
    { ready: Type.Boolean(), nats: Type.String(), revision: Type.Integer() },
    { title: 'Readiness' },
  );
  app.get(
    '/ready',
    {
      schema: {
        summary: 'Whether changes can be made: 503 while NATS is away',
        tags: ['control plane'],
        security: [],
        response: { 200: Ready, 503: Ready },
      },
    },
    async (_, reply) => {
      const trouble = bus.connected ? await natsTrouble() : 'disconnected';
      const ready = trouble === '';
      reply.code(ready ? 200 : 503);
      return { ready, nats: ready ? 'connected' : trouble, revision: store.state.revision };
    },
  );

  app.get('/', { schema: { hide: true } }, (_, reply) => reply.redirect('/docs'));
}
