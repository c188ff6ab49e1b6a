// Bookinfo in weft's mesh, as the demo starts it: NATS and the control plane, a gateway, and `mesh run` for each workload.

import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Child } from '../children.ts';
import type { PeerSetting, RunningPeer } from '../peers/peer.ts';
import { freePort } from '../ports.ts';
import { sumOf, usage, usageAlone, usageBelow } from '../usage.ts';
import { APPLICATIONS, type Application, programOf } from './applications.ts';
import { untilComplete } from './page.ts';

const CONFIG = fileURLToPath(new URL('../../examples/bookinfo/config/', import.meta.url));
/** As its Gateway names it, and as each application listens at its own address. */
const GATEWAY_PORT = 8080;
const APP_PORT = 9080;
const READY_MS = 60_000;

/** `program`: the file of the command `mesh`. */
export async function startWeftMesh({ children, folder }: PeerSetting, program: string): Promise<RunningPeer> {
  const mesh = (...args: string[]): Child => {
    return children.start(process.execPath, [program, ...args], { MESH_HOME: folder });
  };
  const control = mesh('up', '--port', '0', '--json');
  await ready(control);
  const files = ['services.yaml', 'gateway.yaml'].flatMap((file) => ['-f', `${CONFIG}${file}`]);
  const applied = mesh('apply', '--json', ...files);
  await applied.ended;
  if (!/"revision"/.test(applied.output())) throw new Error(`mesh apply failed: ${applied.output()}`);
  const port = await freePort();
  const gateway = mesh(
    ...['proxy', '--label', 'istio=ingressgateway', '--shards', '1', '--access-log', 'off', '--json'],
    ...['--gateway-port', `${GATEWAY_PORT}=${port}`],
  );
  const sidecars = APPLICATIONS.map((application) =>
    children.start(process.execPath, [program, ...runArguments(application)], {
      ...application.environment,
      MESH_HOME: folder,
    }),
  );
  const proxies = [gateway, ...sidecars];
  await Promise.all(proxies.map(ready));
  const processes = [...proxies, control];
  const origin = `http://127.0.0.1:${port}`;
  await untilComplete(origin, processes);
  return {
    origin,
    processes,
    usage: () => sumOf(proxies.map(({ pid }) => usageAlone(pid))),
    beside: {
      apps: () => sumOf(sidecars.map(({ pid }) => usageBelow(pid))),
      control: () => usage(control.pid),
    },
  };
}

function runArguments(application: Application): readonly string[] {
  const { service, version } = application;
  return [
    ...['run', '--service', service, '--version', version, '--service-account', `bookinfo-${service}`],
    ...['--name', `${service}-${version}`, '--port', String(APP_PORT), '--app-address', 'own', '--json'],
    ...['--', process.execPath, programOf(application)],
  ];
}

/** It prints its addresses as JSON when it serves. */
export async function ready(child: Child): Promise<void> {
  const deadline = performance.now() + READY_MS;
  while (!/^\{/m.test(child.output())) {
    if (!child.alive()) throw new Error(`mesh ended: ${child.output()}`);
    if (performance.now() > deadline) throw new Error(`mesh is not ready: ${child.output()}`);
    await delay(20);
  }
}
