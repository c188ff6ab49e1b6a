// Bookinfo with an Envoy beside each application and one as the gateway, configured by files: an inbound port before the
// application and an outbound port for each service that it calls, as iptables would lead its calls there.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Way, waysConfiguration } from '../peers/envoy-configuration.ts';
import type { PeerSetting, RunningPeer } from '../peers/peer.ts';
import { freePort } from '../ports.ts';
import { sumOf, usage } from '../usage.ts';
import { APPLICATIONS, startApplications } from './applications.ts';
import { untilComplete } from './page.ts';

/** `command`: of an Envoy with the configuration in a file. */
export async function startEnvoyMesh(
  { children, folder }: PeerSetting,
  command: (file: string) => readonly [program: string, args: readonly string[]],
): Promise<RunningPeer> {
  const ports = new Map<string, number>();
  for (const { service, calls } of APPLICATIONS) {
    ports.set(service, await freePort());
    for (const to of calls) ports.set(`${service} ${to}`, await freePort());
  }
  const gateway = await freePort();
  const apps = await startApplications(children, (from, to) => ports.get(`${from} ${to}`)!);
  const start = (name: string, ways: readonly Way[]) => {
    const file = join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(waysConfiguration(ways)));
    return children.start(...command(file));
  };
  const proxies = APPLICATIONS.map(({ service, calls }) =>
    start(service, [
      { name: 'inbound', port: ports.get(service)!, to: apps.ports.get(service)! },
      ...calls.map((to) => ({ name: to, port: ports.get(`${service} ${to}`)!, to: ports.get(to)! })),
    ]),
  );
  proxies.push(start('gateway', [{ name: 'productpage', port: gateway, to: ports.get('productpage')! }]));
  const processes = [...proxies, ...apps.children];
  const origin = `http://127.0.0.1:${gateway}`;
  await untilComplete(origin, processes);
  return {
    origin,
    processes,
    usage: () => sumOf(proxies.map(({ pid }) => usage(pid))),
    beside: { apps: () => sumOf(apps.children.map(({ pid }) => usage(pid))) },
  };
}
