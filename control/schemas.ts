// Shapes that several routes of the API speak. OpenAPI is made of them.
import type { TSchema } from 'typebox';
import { Type } from './shapes.ts';

const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

export const ProblemSchema = Type.Object(
  {
    severity: Type.Enum(['error', 'warning']),
    code: Type.String(),
    message: Type.String(),
    resource: Type.Optional(Type.String({ description: 'Kind/namespace/name' })),
    pointer: Type.Optional(Type.String({ description: 'JSON pointer inside the document' })),
    file: Type.Optional(Type.String()),
    line: Type.Optional(Type.Integer({ description: 'From 1' })),
    column: Type.Optional(Type.Integer({ description: 'From 1' })),
  },
  { title: 'Problem', description: 'One thing that is wrong, or doubtful, and where' },
);

export const ErrorSchema = Type.Object(
  { error: Type.String({ description: 'One sentence' }), problems: Type.Optional(Type.Array(ProblemSchema)) },
  { title: 'Error', description: 'Nothing was changed, unless the sentence says that this is not known' },
);

/** Every route may answer these. */
export const ERRORS = {
  '4xx': ErrorSchema,
  '5xx': ErrorSchema,
};

export const ResourceSchema = Type.Unknown({ title: 'Resource', description: 'A resource as it was applied, in JSON' });

export const FilesSchema = Type.Array(
  Type.Object(
    {
      name: Type.String({ maxLength: 1_000, description: 'Told in problems' }),
      text: Type.String({ description: 'YAML, one or more documents' }),
    },
    { additionalProperties: false },
  ),
  { minItems: 1, maxItems: 5_000 },
);

export const FilesBody = Type.Object(
  {
    files: FilesSchema,
    modules: Type.Optional(
      Type.Record(Type.String(), Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }), {
        description: 'Digests of stored modules, by the file: URL of the WasmPlugins that name them',
      }),
    ),
  },
  { title: 'Files', additionalProperties: false },
);

export const PositionSchema = Type.Object(
  {
    revision: Type.Integer({ minimum: 0 }),
    digest: Type.String({ maxLength: 100, description: 'Of the commit of that revision' }),
    epoch: Type.Integer({ minimum: 0, description: 'Of the newest restore before it' }),
    ancestors: Type.Array(Type.String({ maxLength: 100 }), { maxItems: 100 }),
  },
  { title: 'Position', additionalProperties: false, description: 'A place in the history of the configuration' },
);

export const RevisionNumber = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

export const ChangeQuery = Type.Object(
  {
    dryRun: Type.Optional(Type.Boolean({ description: 'Check and tell, change nothing' })),
    parent: Type.Optional(
      Type.Integer({ minimum: 0, description: 'The revision looked at: 409 when the configuration is at another one' }),
    ),
    message: Type.Optional(Type.String({ maxLength: 1_000, description: 'For the history' })),
  },
  { additionalProperties: false },
);

export const KeyChangeSchema = Type.Object(
  {
    key: Type.String({ description: 'Kind/namespace/name' }),
    change: Type.Enum(['created', 'configured', 'unchanged', 'deleted', 'missing']),
  },
  { title: 'KeyChange' },
);

export const ChangeReply = Type.Object(
  {
    revision: Type.Integer({ description: 'The one that is valid now; the same as before when nothing changed' }),
    parent: Type.Integer(),
    changes: Type.Array(KeyChangeSchema),
    warnings: Type.Array(ProblemSchema),
  },
  { title: 'Change' },
);

export const DiffReply = Type.Object(
  {
    revision: Type.Integer(),
    diffs: Type.Array(
      Type.Object({
        key: Type.String(),
        change: KeyChangeSchema.properties.change,
        before: ResourceSchema,
        after: ResourceSchema,
      }),
    ),
  },
  { title: 'Differences' },
);

const CommitFields = {
  revision: Type.Integer(),
  parent: Type.Integer(),
  time: Type.String({ description: 'ISO 8601' }),
  author: Type.String({ description: 'The name of the token that asked for it' }),
  origin: Type.Optional(
    Type.Object(
      {
        address: Type.String({ description: 'IP address' }),
        client: Type.String({ description: 'What it says that it is' }),
        request: Type.String({ description: 'Method and path' }),
      },
      { title: 'Origin', description: 'From where it was asked for' },
    ),
  ),
  message: Type.String(),
};

export const HistoryReply = Type.Object(
  {
    revision: Type.Integer({ description: 'The newest' }),
    items: Type.Array(
      Type.Object(
        { ...CommitFields, upserts: Type.Integer(), removals: Type.Integer() },
        { description: 'Newest first' },
      ),
    ),
  },
  { title: 'History' },
);

export const RevisionReply = Type.Object(
  {
    ...CommitFields,
    upserts: Type.Array(Type.Object({ key: Type.String(), body: ResourceSchema })),
    removals: Type.Array(Type.String()),
  },
  { title: 'Revision' },
);

export const RolloutReply = Type.Object(
  {
    revision: Type.Integer(),
    expected: Type.Integer({
      description: 'Proxies that had a live lease when the commit was made, and still have one',
    }),
    acked: Type.Integer(),
    nacked: Type.Array(Type.Object({ proxy: Type.String(), problems: Type.Array(Type.Unknown()) })),
    missing: Type.Array(Type.String(), { description: 'Silent so far' }),
    gone: Type.Array(Type.String(), { description: 'Left the mesh before they answered' }),
    p50Ms: Nullable(Type.Number({ description: "From publish to answer, by the control plane's clock" })),
    p99Ms: Nullable(Type.Number()),
    maxMs: Nullable(Type.Number()),
    done: Type.Boolean({ description: 'Everybody expected has answered' }),
  },
  { title: 'Rollout' },
);

export const ProxiesReply = Type.Array(
  Type.Object(
    {
      id: Type.String(),
      node: Type.Unknown({ description: 'Who runs behind it' }),
      revision: Type.Integer({ description: 'What it answered last; 0 = nothing yet' }),
      state: Type.Enum(['SYNCED', 'STALE', 'NACK', 'NOT SENT']),
      admin: Type.String(),
      version: Type.String(),
      startedAt: Type.String(),
      endpoints: Type.Array(Type.Unknown()),
      shards: Type.Integer(),
      problems: Type.Array(Type.Unknown()),
      lastAck: Nullable(Type.String({ description: 'ISO 8601' })),
      ms: Nullable(Type.Number({ description: 'From the arrival of the commit at the proxy to its last shard' })),
    },
    { title: 'Proxy' },
  ),
);
