// A plugin's folder as the tarball that registries take: what a plugin is, and nothing else. The same folder is the same bytes.
import { readdir } from 'node:fs/promises';
import { create } from 'tar';
import type { PluginPackage } from './source/package.ts';

/** What people want to read, if it is there. */
const READ = /^(readme|licen[cs]e|notice|changelog)(\.(md|txt))?$/i;

export async function packPlugin(folder: string, { manifest }: PluginPackage): Promise<Buffer> {
  const others = (await readdir(folder)).filter((name) => READ.test(name));
  const schema = manifest.schema === undefined ? [] : [manifest.schema];
  const files = [...new Set(['package.json', manifest.wasm, ...schema, ...others])].sort();
  const chunks: Buffer[] = [];
  const options = {
    cwd: folder,
    gzip: { portable: true },
    prefix: 'package',
    portable: true,
    mtime: new Date(0),
  } as const;
  for await (const chunk of create(options, files)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
