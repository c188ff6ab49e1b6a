// Routes that change the configuration, or tell what would change.
import { Type } from 'typebox';
import { resourceKey } from '../../core/config/resource.ts';
import { ApiError } from '../api-error.ts';
import { decodeInSlices, type Writer } from '../apply.ts';
import { refuse } from '../check.ts';
import { ChangeQuery, ChangeReply, DiffReply, ERRORS, FilesBody, FilesSchema, RevisionNumber } from '../schemas.ts';
import type { App } from './app.ts';

export function changeRoutes(app: App, writer: Writer): void {
  app.post(
    '/v1/apply',
    {
      schema: {
        summary: 'Apply YAML as one commit, or change nothing',
        tags: ['configuration'],
        querystring: ChangeQuery,
        body: FilesBody,
        response: { 200: ChangeReply, ...ERRORS },
      },
    },
    ({ body, query, caller }) => writer.apply(body.files, { ...query, by: caller }, body.modules),
  );

  app.post(
    '/v1/delete',
    {
      schema: {
        summary: 'Delete resources by key, or those that files name, as one commit',
        tags: ['configuration'],
        querystring: ChangeQuery,
        body: Type.Object(
          {
            keys: Type.Optional(
              Type.Array(Type.String({ minLength: 1, maxLength: 1_000 }), { minItems: 1, maxItems: 50_000 }),
            ),
            files: Type.Optional(FilesSchema),
          },
          { additionalProperties: false },
        ),
        response: { 200: ChangeReply, ...ERRORS },
      },
    },
    async (request) => {
      const { keys, files } = request.body;
      const options = { ...request.query, by: request.caller };
      if ((keys === undefined) === (files === undefined)) throw new ApiError(400, 'give either keys or files');
      if (keys !== undefined) return writer.delete(keys, options);
      const { resources, problems } = await decodeInSlices(files ?? []);
      refuse(problems);
      if (resources.length === 0) throw new ApiError(404, 'the files name no resource');
      return writer.delete(resources.map(resourceKey), options);
    },
  );

  app.post(
    '/v1/rollback',
    {
      schema: {
        summary: 'A new commit with the state of an older revision',
        tags: ['history'],
        querystring: ChangeQuery,
        body: Type.Object({ to: RevisionNumber }, { additionalProperties: false }),
        response: { 200: ChangeReply, ...ERRORS },
      },
    },
    ({ body, query, caller }) => writer.rollback(body.to, { ...query, by: caller }),
  );

  app.post(
    '/v1/diff',
    {
      schema: {
        summary: 'What applying files would change',
        tags: ['configuration'],
        body: FilesBody,
        response: { 200: DiffReply, ...ERRORS },
      },
    },
    async (request) => writer.diff(request.body.files, request.body.modules),
  );
}
