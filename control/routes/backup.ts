// Routes of backups: the whole configuration out, and in again as the explicit act by which every proxy takes it.

import type { Bus } from '../../bus/types.ts';
import { ApiError } from '../api-error.ts';
import type { Writer } from '../apply.ts';
import { ChangeQuery, ChangeReply, ERRORS, PositionSchema, ResourceSchema } from '../schemas.ts';
import type { Secrets } from '../secrets.ts';
import { Type } from '../shapes.ts';
import type { Store } from '../store.ts';
import type { App } from './app.ts';
import { told } from './changes.ts';
import { jsonOf, sendList } from './pieces.ts';
import { SealedSecret } from './secrets.ts';

const Names = Type.Array(Type.String());
/** As it lies in NATS. */
const SignedAccess = Type.Object(
  {
    name: Type.String({ maxLength: 200, pattern: '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?|(oidc|cert):.+)$' }),
    record: Type.String({ maxLength: 16_384, description: 'JSON, with the SHA-256 of the token' }),
    signature: Type.String({ maxLength: 200, description: "Of the record, by a control plane's key; base64" }),
  },
  { title: 'SignedAccess', additionalProperties: false },
);
const WHOLE_BYTES = 256 * 1024 * 1024;

export interface BackupParts {
  readonly bus: Bus;
  readonly store: Store;
  readonly writer: Writer;
  readonly secrets: Secrets;
  onLog(line: string): void;
}

export function backupRoutes(app: App, parts: BackupParts): void {
  const { bus, store, writer, secrets, onLog } = parts;

  app.get(
    '/v1/backup',
    {
      schema: {
        summary:
          'The whole configuration, where it stands, the secrets as they are sealed, and who has a token, but no token',
        tags: ['history'],
        response: {
          200: Type.Object({
            at: PositionSchema,
            secrets: Type.Array(SealedSecret),
            access: Type.Array(SignedAccess),
            resources: Type.Array(ResourceSchema),
          }),
          ...ERRORS,
        },
      },
    },
    async (_, reply) => {
      const { resources, revision, digest, epoch, ancestors } = store.state;
      if (store.damage !== '') throw new ApiError(503, `the configuration log cannot be read: ${store.damage}`);
      const head = {
        at: { revision, digest, epoch, ancestors },
        secrets: await secrets.sealed(),
        access: await bus.access.signed(),
      };
      return sendList(reply, head, 'resources', jsonOf(resources.values()));
    },
  );

  app.post(
    '/v1/restore',
    {
      bodyLimit: WHOLE_BYTES,
      schema: {
        summary: 'Make this the whole configuration; every proxy takes it, whatever it runs',
        tags: ['history'],
        querystring: ChangeQuery,
        body: Type.Object(
          {
            resources: Type.Optional(Type.Array(ResourceSchema, { maxItems: 50_000 })),
            at: Type.Optional(PositionSchema),
            from: Type.Optional(
              Type.Enum(['log', 'manifest'], {
                description: 'In place of resources: what the log holds now, or the newest full state beside it',
              }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: ChangeReply, ...ERRORS },
      },
    },
    async ({ body: { resources, at, from }, query, caller }, reply) => {
      const options = { ...query, by: caller };
      if ((resources === undefined) === (from === undefined)) throw new ApiError(400, 'give either resources or from');
      if (resources !== undefined) return told(reply, await writer.restore(resources, at ?? null, options));
      if (from === 'log' && store.damage !== '')
        throw new ApiError(409, `the configuration log cannot be read: ${store.damage}`);
      const state = from === 'log' ? store.state : await bus.config.manifest();
      if (state === null) throw new ApiError(404, 'NATS holds no full state of the configuration');
      return told(reply, await writer.restore([...state.resources.values()], state, options));
    },
  );

  app.post(
    '/v1/restore/secrets',
    {
      bodyLimit: WHOLE_BYTES,
      schema: {
        summary: 'Keep these secrets of a backup, but where one that is there is newer',
        tags: ['history'],
        body: Type.Object({ secrets: Type.Array(SealedSecret, { maxItems: 1_000 }) }, { additionalProperties: false }),
        response: {
          200: Type.Object({
            restored: Names,
            newer: Names,
            foreign: Type.Array(Type.String(), { description: 'Sealed by the key of another mesh, or damaged' }),
          }),
          ...ERRORS,
        },
      },
    },
    async ({ body }) => {
      const { restored, newer, foreign } = await secrets.restore(body.secrets);
      return { restored: [...restored], newer: [...newer], foreign: [...foreign] };
    },
  );

  app.post(
    '/v1/restore/access',
    {
      bodyLimit: WHOLE_BYTES,
      schema: {
        summary: 'Keep who has a token as a backup says, but of whom there is a token by now',
        tags: ['history'],
        body: Type.Object({ access: Type.Array(SignedAccess, { maxItems: 1_000 }) }, { additionalProperties: false }),
        response: {
          200: Type.Object({
            restored: Names,
            there: Names,
            foreign: Type.Array(Type.String(), { description: 'Signed by another mesh, or changed' }),
          }),
          ...ERRORS,
        },
      },
    },
    async ({ body: { access }, caller }) => {
      const found = { restored: [] as string[], there: [] as string[], foreign: [] as string[] };
      for (const each of access) found[await bus.access.putBack(each)].push(each.name);
      if (found.restored.length > 0) onLog(`${caller.name} restored the tokens ${found.restored.join(', ')}`);
      return found;
    },
  );
}
