// Plugins on disk for tests: folders as authors have them, and tarballs as `npm pack` makes them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { create } from 'tar';
import { CONFIGURE, filter, REQUEST_HEADERS } from '../../plugins/wat.ts';

export interface Package {
  readonly name?: string;
  readonly version?: string;
  readonly plugin?: Readonly<Record<string, unknown>>;
  readonly schema?: unknown;
  readonly module?: Uint8Array;
  readonly more?: Readonly<Record<string, unknown>>;
}

export const SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  properties: { header: { type: 'string' }, limits: { type: 'object', properties: { most: { type: 'integer' } } } },
  required: ['header'],
  additionalProperties: false,
};

/** Adds a header; `value` makes its bytes, so its digest, another one. */
export function adding(value = 'yes'): Uint8Array {
  return filter(
    `${REQUEST_HEADERS}
      (drop (call $proxy_add_header_map_value (i32.const 0) (TEXT name) (TEXT value))) (i32.const 0))`,
    { texts: { name: 'x-added', value }, imports: [['proxy_add_header_map_value', 'i32 i32 i32 i32 i32']] },
  );
}

/** Can call other services. */
export function calling(): Uint8Array {
  return filter(`${REQUEST_HEADERS} (i32.const 0))`, {
    imports: [['proxy_http_call', 'i32 i32 i32 i32 i32 i32 i32 i32 i32 i32']],
  });
}

/** Never comes back from configuring. */
export function looping(): Uint8Array {
  return filter(`${CONFIGURE} (loop $l (br $l)) (i32.const 1))`);
}

/** The files of a package, by path. */
export function packageFiles({
  name = 'mesh-plugin-adder',
  version = '1.0.0',
  ...parts
}: Package): Map<string, Uint8Array> {
  const plugin = {
    wasm: 'build/release.wasm',
    ...(parts.schema === undefined ? {} : { schema: 'schema.json' }),
    ...parts.plugin,
  };
  const files = new Map<string, Uint8Array>();
  const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
  files.set('package.json', json({ name, version, keywords: ['mesh-plugin'], ...parts.more, mesh: { plugin } }));
  files.set('build/release.wasm', parts.module ?? adding());
  if (parts.schema !== undefined) files.set('schema.json', json(parts.schema));
  return files;
}

/** Writes a package into a folder, which it returns. */
export function packageFolder(folder: string, parts: Package = {}): string {
  for (const [path, bytes] of packageFiles(parts)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
  return folder;
}

/** Packs a folder that `packageFolder` wrote. */
export async function packFolder(folder: string): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  const stream = create({ cwd: folder, gzip: true, prefix: 'package', portable: true }, ['.']);
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
