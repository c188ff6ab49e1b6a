// Peer: weft as a reverse proxy, built as it is published, configured by a folder of Istio resources.

import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startWeftMesh } from '../bookinfo/weft.ts';
import { freePort } from '../ports.ts';
import { wasmFilterOf } from '../setups.ts';
import type { Peer, PeerSetting } from './peer.ts';
import { weftConfiguration } from './weft-configuration.ts';
import { startWeftPair } from './weft-pair.ts';
import { startWeftSidecar } from './weft-sidecar.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const mesh = join(root, 'dist', 'cli', 'mesh.js');

export const weft: Peer = {
  name: 'weft',
  async prepare() {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts', 'build.ts')], {
      encoding: 'utf8',
    });
    return status === 0 ? null : `npm run build failed: ${`${stdout}${stderr}`.trim().split('\n')[0]}`;
  },
  version: () =>
    `weft ${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}, node ${process.version}`,
  lacks: () => null,
  async start(setting) {
    const { children, folder, setup } = setting;
    if (setup.behind === 'bookinfo') return startWeftMesh(setting, mesh);
    if (setup.behind === 'application') return startWeftSidecar(setting, mesh);
    if (setup.pair !== 'none') return startWeftPair(setting, mesh);
    const port = await freePort();
    const filter = wasmFilterOf(setup);
    if (filter !== null) copyFileSync(await setting.filterFile(filter), join(folder, 'bench.wasm'));
    await write(setting, port, null);
    const args = [mesh, 'proxy', '--config', folder, '--shards', String(setup.shards), '--access-log', 'off'];
    const child = children.start(process.execPath, args, { MESH_HOME: join(folder, '.mesh') });
    return {
      origin: `${setup.speaks === 'tls' ? 'https' : 'http'}://127.0.0.1:${port}`,
      processes: [child],
      addRoute: (path) => write(setting, port, path),
    };
  },
};

/** In one step: the proxy reads the folder whenever it changes. */
async function write(setting: PeerSetting, port: number, first: string | null): Promise<void> {
  const file = join(setting.folder, 'proxy.json');
  const items = await weftConfiguration(setting, port, first);
  writeFileSync(`${file}.new`, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  renameSync(`${file}.new`, file);
}
