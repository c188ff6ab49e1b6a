// Two sidecars of weft, as `mesh run` starts them: one beside who calls and one beside an upstream of its own, in mutual TLS of the mesh's own
// certificates. NATS and the control plane that they follow do not count as them.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ready } from '../bookinfo/weft.ts';
import type { Child } from '../children.ts';
import { resource } from '../edge.ts';
import { freePort } from '../ports.ts';
import { upstreamCommand } from '../upstream.ts';
import { sumOf, usage, usageAlone, usageBelow } from '../usage.ts';
import type { PeerSetting, RunningPeer } from './peer.ts';

/** As the load asks for it, by its Host. */
const SERVICE = 'bench';
const LASTING = ['--', 'sleep', '86400'];
/** Of the answers that are asked for. */
const SIZE = 300;

/** `program`: the file of the command `mesh`. */
export async function startWeftPair(setting: PeerSetting, program: string): Promise<RunningPeer> {
  const { children, folder, setup } = setting;
  const mesh = (...args: string[]): Child => {
    return children.start(process.execPath, [program, ...args], { MESH_HOME: folder });
  };
  const control = mesh('up', '--port', '0', '--json');
  await ready(control);
  const file = join(folder, 'mesh.json');
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: resources(setup.pair) }));
  const applied = mesh('apply', '--json', '-f', file);
  await applied.ended;
  if (!/"revision"/.test(applied.output())) throw new Error(`mesh apply failed: ${applied.output()}`);
  const port = await freePort();
  const [command, args] = upstreamCommand(join(folder, 'application'), port, [SIZE]);
  const server = mesh('run', '--service', SERVICE, '--port', String(port), '--json', '--', command, ...args);
  await ready(server);
  const caller = mesh('run', '--service', 'load', '--json', ...LASTING);
  await ready(caller);
  const { outbound } = JSON.parse(caller.output().slice(caller.output().indexOf('{'))) as { outbound: string };
  const sidecars = [caller, server];
  return {
    origin: outbound,
    processes: [...sidecars, control],
    usage: () => sumOf(sidecars.map(({ pid }) => usageAlone(pid))),
    beside: {
      caller: () => usageAlone(caller.pid),
      server: () => usageAlone(server.pid),
      application: () => usageBelow(server.pid),
      control: () => usage(control.pid),
    },
  };
}

function resources(pair: string): object[] {
  const strict = resource('security.istio.io/v1', 'PeerAuthentication', 'default', { mtls: { mode: 'STRICT' } });
  const apart = resource('weft.dev/v1', 'MeshConfig', 'default', { h2UpgradePolicy: 'DO_NOT_UPGRADE' });
  return pair === 'mtls' ? [strict] : [strict, apart];
}
