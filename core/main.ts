// The main thread of a proxy: owns configuration, shards, admin and telemetry, and never touches a request. A library: the
// command line, the demo and tests call startProxy.

import { availableParallelism } from 'node:os';
import { ProxyLog } from './main/log.ts';
import { type LogOutput, openLogOutput } from './main/log-writer.ts';
import { loadBuiltins } from './main/modules.ts';
import type { ProxyOptions, Proxy as WeftProxy } from './main/options.ts';
import { canSharePorts, reservePort } from './main/ports.ts';
import { RunningProxy } from './main/running.ts';
import type { ListenerSpec } from './transport/listener-spec.ts';

export type { Address, ConfigSource, Proxy, ProxyOptions } from './main/options.ts';

/**
 * Starts a proxy. Rejects, with nothing left running, when an address cannot be had, when the built-in filters are not
 * built, or when the folder it is configured from is refused.
 */
export async function startProxy(given: ProxyOptions): Promise<WeftProxy> {
  const outbound = given.listeners?.outbound !== undefined;
  const upstreams = given.listeners?.upstreams?.map(({ upstream }) => upstream);
  const options = { ...given, node: { ...given.node, outbound, ...(upstreams !== undefined && { upstreams }) } };
  const log = new ProxyLog(options.logLevel ?? 'info', options.log);
  const shards = Math.max(1, Math.floor(options.shards ?? availableParallelism()));
  const reusePort = await canSharePorts();
  if (shards > 1 && !reusePort) {
    log.write('warning', 'main', `one shard instead of ${shards}: this system cannot share a port between threads`);
  }
  const fixed = await reserveFixed(options);
  const modules = await loadBuiltins();
  const accessLog = await openAccessLog(options, log);
  const count = reusePort ? shards : 1;
  const proxy = new RunningProxy({ options, log, shards: count, reusePort, fixed, modules, accessLog });
  try {
    await proxy.start();
  } catch (error) {
    await proxy.close();
    throw error;
  }
  return proxy;
}

/** Ports of the listeners that do not depend on configuration. */
async function reserveFixed({ listeners }: ProxyOptions): Promise<ListenerSpec[]> {
  const specs: ListenerSpec[] = [];
  for (const kind of ['inbound', 'outbound'] as const) {
    const wanted = listeners?.[kind];
    if (wanted === undefined) continue;
    const port = await reservePort(wanted, `listener ${kind}`);
    specs.push({ name: kind, kind, address: wanted.address, port, configuredPort: port });
  }
  for (const { upstream, ...wanted } of listeners?.upstreams ?? []) {
    const port = await reservePort(wanted, `upstream ${upstream}`);
    specs.push({ name: upstream, kind: 'outbound', address: wanted.address, port, configuredPort: port, upstream });
  }
  return specs;
}

function openAccessLog({ accessLog }: ProxyOptions, log: ProxyLog): Promise<LogOutput> {
  return openLogOutput(accessLog?.file, (message) => log.write('error', 'access-log', message));
}
