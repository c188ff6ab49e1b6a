// Routes that read the configuration as it is.
import { Type } from 'typebox';
import { isKind } from '../../core/config/is-kind.ts';
import { kindMeant } from '../../core/config/kind-names.ts';
import { ERRORS, ResourceSchema } from '../schemas.ts';
import { resourcesOf, type Store } from '../store.ts';
import type { App } from './app.ts';

export function resourceRoutes(app: App, store: Store): void {
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
    async ({ query: { kind, namespace, name } }) => {
      const { state } = store;
      const meant = kind === undefined ? undefined : kindMeant(kind);
      if (meant === null) return { revision: state.revision, items: [] };
      const items = resourcesOf(state).filter(
        (resource) =>
          (meant === undefined || isKind(resource, meant)) &&
          (namespace === undefined || resource.metadata.namespace === namespace) &&
          (name === undefined || resource.metadata.name === name),
      );
      return { revision: state.revision, items };
    },
  );
}
