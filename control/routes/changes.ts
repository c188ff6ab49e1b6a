// Routes that change the configuration, or tell what would change.

import type { FastifyReply } from 'fastify';
import { ApiError } from '../api-error.ts';
import type { Made, Writer } from '../apply.ts';
import { ChangeQuery, ChangeReply, DiffReply, ERRORS, FilesBody, FilesSchema, RevisionNumber } from '../schemas.ts';
import { Type } from '../shapes.ts';
import type { App } from './app.ts';
import { sendJson } from './pieces.ts';

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
    async ({ body: { files, modules }, query, caller }, reply) =>
      told(reply, await writer.apply(files, { ...query, by: caller }, modules)),
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
    async ({ body: { keys, files }, query, caller }, reply) => {
      const options = { ...query, by: caller };
      if ((keys === undefined) === (files === undefined)) throw new ApiError(400, 'give either keys or files');
      return told(
        reply,
        await (keys === undefined ? writer.deleteFiles(files!, options) : writer.delete(keys, options)),
      );
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
    async ({ body: { to }, query, caller }, reply) => told(reply, await writer.rollback(to, { ...query, by: caller })),
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
    async ({ body: { files, modules }, caller }, reply) => {
      const { revision, diffs } = await writer.diff(files, caller, modules);
      return sendJson(reply, `{"revision":${revision},"diffs":${diffs}}`);
    },
  );
}

/** Its lists are JSON already, and long after a large change. */
export function told(reply: FastifyReply, { revision, parent, changes, warnings }: Made): FastifyReply {
  return sendJson(reply, `{"revision":${revision},"parent":${parent},"changes":${changes},"warnings":${warnings}}`);
}
