// Routes of WASM modules: bytes in and out, by digest.

import { MAX_OBJECT_BYTES } from '../../bus/digest.ts';
import { mayEverywhere, mayIn, namespaceOf } from '../access/permissions.ts';
import { ApiError } from '../api-error.ts';
import type { Modules } from '../modules.ts';
import { ERRORS } from '../schemas.ts';
import { Type } from '../shapes.ts';
import type { App } from './app.ts';

const Params = Type.Object({
  digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$', description: 'sha256: and 64 hexadecimal digits' }),
});

export function moduleRoutes(app: App, modules: Modules): void {
  app.addContentTypeParser(
    ['application/wasm', 'application/octet-stream'],
    { parseAs: 'buffer', bodyLimit: MAX_OBJECT_BYTES },
    (_, body, done) => done(null, body),
  );

  app.get(
    '/v1/modules',
    {
      schema: {
        summary: 'The modules that are stored, newest first',
        tags: ['modules'],
        response: {
          200: Type.Array(
            Type.Object({
              digest: Type.String(),
              size: Type.Integer({ description: 'Bytes' }),
              storedAt: Type.String({ description: 'ISO 8601' }),
              usedBy: Type.Array(Type.String(), { description: 'Keys of resources that run it' }),
            }),
          ),
          ...ERRORS,
        },
      },
    },
    async ({ caller }) => {
      const stored = await modules.list();
      if (mayEverywhere(caller, 'viewer')) return stored;
      return stored.flatMap((module) => {
        const usedBy = module.usedBy.filter((key) => mayIn(caller, 'viewer', namespaceOf(key)));
        return usedBy.length === 0 ? [] : { ...module, usedBy };
      });
    },
  );

  app.get(
    '/v1/modules/:digest',
    {
      schema: {
        summary: "A module's bytes",
        tags: ['modules'],
        params: Params,
        response: { 200: Type.Unsafe<Uint8Array>({ type: 'string', format: 'binary' }), ...ERRORS },
      },
    },
    async ({ params: { digest } }, reply) => {
      const bytes = await modules.get(digest);
      return reply.type('application/wasm').send(bytes);
    },
  );

  app.put(
    '/v1/modules/:digest',
    {
      bodyLimit: MAX_OBJECT_BYTES,
      schema: {
        summary: 'Store a module that proxies would run; it runs once a resource refers to it',
        tags: ['modules'],
        params: Params,
        consumes: ['application/wasm'],
        response: {
          200: Type.Object({
            digest: Type.String(),
            size: Type.Integer({ description: 'Bytes' }),
            created: Type.Boolean({ description: 'false: it was there already' }),
          }),
          ...ERRORS,
        },
      },
    },
    ({ params: { digest }, body, caller }) => {
      if (!Buffer.isBuffer(body)) throw new ApiError(415, 'send the bytes of the module as application/wasm');
      return modules.put(digest, body, caller.name);
    },
  );
}
