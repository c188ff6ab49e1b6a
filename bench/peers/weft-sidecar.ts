// Weft beside an application, as `mesh run` starts it: with NATS and the control plane it follows, which do not count as it.

import { fileURLToPath } from 'node:url';
import { ready } from '../bookinfo/weft.ts';
import { freePort } from '../ports.ts';
import { usage, usageAlone, usageBelow } from '../usage.ts';
import type { PeerSetting, RunningPeer } from './peer.ts';

const APPLICATION = fileURLToPath(new URL('../upstream-app.ts', import.meta.url));

/** `program`: the file of the command `mesh`. */
export async function startWeftSidecar({ children, folder }: PeerSetting, program: string): Promise<RunningPeer> {
  const environment = { MESH_HOME: folder };
  const control = children.start(process.execPath, [program, 'up', '--port', '0', '--json'], environment);
  await ready(control);
  const port = String(await freePort());
  const sidecar = children.start(
    process.execPath,
    [program, 'run', '--service', 'bench', '--port', port, '--json', '--', process.execPath, APPLICATION, port, '300'],
    environment,
  );
  await ready(sidecar);
  const { inbound } = JSON.parse(sidecar.output().slice(sidecar.output().indexOf('{'))) as { inbound: string };
  return {
    origin: inbound,
    processes: [sidecar, control],
    usage: () => usageAlone(sidecar.pid),
    beside: { application: () => usageBelow(sidecar.pid), control: () => usage(control.pid) },
  };
}
