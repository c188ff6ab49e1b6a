// What all peers stand in front of: `/SIZE` answers 200 with SIZE bytes, whatever the request. It must not be the
// bottleneck, so it is nginx where there is one.

import { mkdirSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Children } from './children.ts';
import { nginxCommand, nginxConfiguration } from './peers/nginx-configuration.ts';
import { answers, freePort } from './ports.ts';
import { find, versionOf } from './programs.ts';

export interface Upstream {
  readonly port: number;
  readonly version: string;
}

const application = fileURLToPath(new URL(`./upstream-app${extname(import.meta.filename)}`, import.meta.url));

export async function startUpstream(children: Children, folder: string, sizes: readonly number[]): Promise<Upstream> {
  const port = await freePort();
  const native = find('nginx') !== null;
  const [command, args] = native
    ? nginxUpstream(folder, port, sizes)
    : [process.execPath, [application, String(port), ...sizes.map(String)]];
  const child = children.start(command, args);
  for (const size of sizes) {
    await answers(`http://127.0.0.1:${port}/${size}`, size, 10_000, () => child.alive()).catch((error: Error) => {
      throw new Error(`the upstream does not serve: ${error.message}\n${child.output()}`);
    });
  }
  return { port, version: native ? versionOf('nginx', ['-v']) : `node:http ${process.version} (nginx is not on PATH)` };
}

function nginxUpstream(folder: string, port: number, sizes: readonly number[]): [string, readonly string[]] {
  mkdirSync(folder);
  const file = join(folder, 'nginx.conf');
  const locations = sizes.map((size) => `location = /${size} { return 200 "${'x'.repeat(size)}"; }`);
  const server = `server { listen 127.0.0.1:${port}; default_type text/plain; ${locations.join('\n')} }`;
  writeFileSync(file, nginxConfiguration(folder, server));
  return nginxCommand(file, folder);
}
