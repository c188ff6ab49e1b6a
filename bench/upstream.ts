// What all peers stand in front of: `/SIZE` answers 200 with SIZE bytes, also below any other path. It must not be the
// bottleneck, so it is nginx where there is one: small bodies from memory, large ones by sendfile.

import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Child, Children } from './children.ts';
import { nginxCommand, nginxConfiguration } from './peers/nginx-configuration.ts';
import { answers, freePort } from './ports.ts';
import { find, versionOf } from './programs.ts';

export interface Upstream {
  readonly port: number;
  readonly version: string;
  readonly process: Child;
}

/** Larger bodies lie in files without content, which costs no disk. */
const IN_MEMORY = 64 << 10;
/** Larger ones are not read to see whether the upstream serves. */
const ASKED_FOR = 16 << 20;

const application = fileURLToPath(new URL(`./upstream-app${extname(import.meta.filename)}`, import.meta.url));

export async function startUpstream(children: Children, folder: string, sizes: readonly number[]): Promise<Upstream> {
  const port = await freePort();
  const child = children.start(...upstreamCommand(folder, port, sizes));
  for (const bytes of sizes.filter((size) => size <= ASKED_FOR)) {
    const url = `http://127.0.0.1:${port}/${bytes}`;
    await answers(url, { bytes }, { timeoutMs: 10_000, alive: () => child.alive() }).catch((error: Error) => {
      throw new Error(`the upstream does not serve: ${error.message}\n${child.output()}`);
    });
  }
  const version = isNative() ? versionOf('nginx', ['-v']) : `node:http ${process.version} (nginx is not on PATH)`;
  return { port, version, process: child };
}

/** What answers on this port. `folder` is not there yet. */
export function upstreamCommand(folder: string, port: number, sizes: readonly number[]): [string, readonly string[]] {
  if (isNative()) return nginxUpstream(folder, port, sizes);
  return [process.execPath, [application, String(port), ...sizes.map(String)]];
}

function isNative(): boolean {
  return find('nginx') !== null;
}

function nginxUpstream(folder: string, port: number, sizes: readonly number[]): [string, readonly string[]] {
  mkdirSync(folder);
  const locations = sizes.map((size) => {
    const answer = size <= IN_MEMORY ? `return 200 "${'x'.repeat(size)}";` : `try_files /${size} =404;`;
    return `location = /${size} { ${answer} }\n location ~ "^/.+/${size}$" { ${answer} }`;
  });
  for (const size of sizes.filter((bytes) => bytes > IN_MEMORY)) {
    const file = openSync(join(folder, String(size)), 'w');
    ftruncateSync(file, size);
    closeSync(file);
  }
  const server = `sendfile on; client_max_body_size 0;
    server { listen 127.0.0.1:${port} backlog=4096; root ${folder}; default_type text/plain; ${locations.join('\n')} }`;
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, nginxConfiguration(folder, server));
  return nginxCommand(file, folder);
}
