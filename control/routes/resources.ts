// Routes that read the configuration as it is.

import { kindCalled } from '../../core/config/kind-words.ts';
import type { Caller } from '../access/caller.ts';
import { mayIn } from '../access/permissions.ts';
import type { Checker } from '../checker/checker.ts';
import { ERRORS, ResourceSchema } from '../schemas.ts';
import { Type } from '../shapes.ts';
import type { Store } from '../store.ts';
import type { App } from './app.ts';
import { jsonOf, sendList } from './pieces.ts';

export function resourceRoutes(app: App, store: Store, checker: Checker): void {
  app.get(
    '/v1/resources',
    {
      schema: {
        summary: 'The resources of the newest revision',
        tags: ['configuration'],
        querystring: Type.Object(
          {
            kind: Type.Optional(
              Type.String({
                maxLength: 100,
                description: 'In any case, singular, plural or short: vs, virtualservices',
              }),
            ),
            namespace: Type.Optional(Type.String({ maxLength: 300 })),
            name: Type.Optional(Type.String({ maxLength: 300 })),
          },
          { additionalProperties: false },
        ),
        response: { 200: Type.Object({ revision: Type.Integer(), items: Type.Array(ResourceSchema) }), ...ERRORS },
      },
    },
    async ({ query: { kind, namespace, name }, caller }, reply) => {
      const meant = kind === undefined ? undefined : kindCalled(kind, await checker.kinds());
      const { revision, resources } = store.state;
      if (meant === null) return { revision, items: [] };
      const wanted = [meant, namespace, name];
      return sendList(reply, { revision }, 'items', jsonOf(found(resources, wanted, caller)));
    },
  );
}

/** Undefined parts of the key are any. */
function* found(
  resources: ReadonlyMap<string, unknown>,
  wanted: readonly (string | undefined)[],
  caller: Caller,
): Iterable<unknown> {
  for (const [key, body] of resources) {
    const parts = key.split('/');
    const fits = wanted.every((part, i) => part === undefined || part === parts[i]);
    if (fits && mayIn(caller, 'viewer', parts[1])) yield body;
  }
}
