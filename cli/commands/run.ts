// `mesh run`: one application with its sidecar. The sidecar serves before the application starts, the endpoint is registered when the
// application listens and while its probe finds it ready, and leaves the registry before the application is told to stop.
import { type Command, Option } from 'commander';
import type { Proxy as SidecarProxy } from '../../core/main/options.ts';
import type { Node } from '../../core/workload.ts';
import type { App, AppEnd } from '../app.ts';
import { CliError, EXIT } from '../exit.ts';
import { note, printJson } from '../output.ts';
import { count, durationOption, label, name, port, seriesExpiryOption, type Upstream, upstream } from '../parse.ts';
import { type ProbeOptions, probeOf, probeOptions, thresholdsOf } from '../readiness/options.ts';
import { untilReady } from '../until-ready.ts';
import { announce, type StopReason, untilStopped } from '../until-stopped.ts';
import { weftVersion } from '../version.ts';

interface Options extends ProbeOptions {
  readonly service: string;
  readonly version?: string;
  readonly serviceAccount: string;
  readonly namespace: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly name?: string;
  readonly port?: number;
  readonly protocol?: string;
  readonly upstream?: readonly Upstream[];
  readonly appAddress: string;
  readonly address?: string;
  readonly advertise?: string;
  readonly shards: number;
  readonly readyTimeout: number;
  readonly drainTimeout: number;
  readonly metricsExpiry: number;
  readonly stopTimeout: number;
  readonly outboundPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  readonly allowPrivateFetch?: boolean;
  readonly accessLog: 'text' | 'json' | 'off';
  readonly logLevel: 'debug' | 'info' | 'warning' | 'error';
  readonly json?: boolean;
}

/** Istio's, on the workload's own address; any free ones where there is none. */
const INBOUND_PORT = 15006;
const OUTBOUND_PORT = 15001;
const ADMIN_PORT = 15000;
/** Those of port names, but of UDP. */
const PROTOCOLS = ['http', 'http2', 'grpc', 'grpc-web', 'https', 'tls', 'tcp', 'mongo', 'mysql', 'redis'];

export function runCommand(program: Command): void {
  const command = program
    .command('run')
    .description('Start an application with its sidecar')
    .usage('[options] --service NAME [--port PORT] -- COMMAND...')
    .argument('<command...>', 'the application and its arguments')
    .passThroughOptions()
    .requiredOption('--service <name>', 'the service it is an instance of; also its label app', name)
    .option(
      '--port <port>',
      'where the application listens, told by $PORT; a job that only calls others has none',
      port,
    )
    .addOption(
      new Option(
        '--protocol <protocol>',
        "what the application speaks (default: what the service's port is named, else http)",
      ).choices(PROTOCOLS),
    )
    .option(
      '--upstream <service:port=port>',
      'a port of this machine that leads to a service, for what is no HTTP; repeatable',
      upstream,
    )
    .option('--version <version>', 'its label version, such as v1', name)
    .option('--service-account <name>', 'the identity it runs under', name, 'default')
    .option('-n, --namespace <name>', 'its namespace', name, 'default')
    .option('-l, --label <name=value>', 'a further label; repeatable', label)
    .option('--name <name>', 'of this instance (default: SERVICE-VERSION and a random end)', name)
    .option('--app-address <address>', 'where the application listens, told by $HOST; own: at --address', '127.0.0.1')
    .option('--address <address>', "the workload's own loopback address (default: by the hash of who it is)")
    .option(
      '--advertise <address>',
      'of this machine, by which others reach the workload (default: as it reaches NATS)',
    )
    .option('--shards <number>', 'threads of the sidecar', count, 1)
    .addOption(
      durationOption(
        '--ready-timeout',
        'how long the first configuration, and the application to listen, may take',
        '60s',
      ),
    )
    .addOption(durationOption('--drain-timeout', 'how long requests under way may take at the end', '5s'))
    .addOption(seriesExpiryOption())
    .addOption(durationOption('--stop-timeout', 'how long the application may take to stop', '10s'))
    .option('--allow-private-fetch', 'key sets may be fetched from private networks and this machine')
    .addOption(
      new Option('--outbound-policy <policy>', 'for hosts that the mesh does not know')
        .choices(['ALLOW_ANY', 'REGISTRY_ONLY'])
        .default('ALLOW_ANY'),
    )
    .addOption(new Option('--access-log <format>', "the sidecar's").choices(['text', 'json', 'off']).default('off'))
    .addOption(
      new Option('--log-level <level>', "the sidecar's")
        .choices(['debug', 'info', 'warning', 'error'])
        .default('warning'),
    )
    .option('--json', 'print name and addresses as JSON once everything is ready')
    .addHelpText(
      'after',
      `
The application calls other services by their names (http://ratings:9080/...): HTTP_PROXY and NODE_USE_ENV_PROXY lead its
calls to the sidecar, and HTTPS_PROXY those in TLS, unless one is set. Ends with the application's exit code; 128 + number when a signal ended it.

Examples:
  $ mesh run --service api --version v2 --port 3000 -- node api.js
  $ mesh run --service web --port 8000 -l team=shop -- python3 app.py
  $ mesh run --service job -- curl -s http://api/
  $ mesh run --service orders-db --port 5432 --protocol tcp -- postgres -D data
  $ mesh run --service shop --port 8080 --upstream orders-db:5432=5432 -- ./shop
  $ mesh run --service orders --port 50051 --protocol grpc --probe-grpc / --probe-period 2s -- ./orders`,
    )
    .action(async (command: readonly string[], options: Options) => {
      process.exitCode = await run(command, options);
    });
  probeOptions(command);
}

async function run(command: readonly string[], options: Options): Promise<number> {
  const stopped = untilStopped();
  const [
    { startApp, accepts, untilListening },
    { oldNodeWarning },
    { readMembership, makeHome, portsOf },
    { sidecarNode, stateFolder },
    { busUser },
    { advertisedAddress },
    { registerWhileReady },
  ] = await Promise.all([
    import('../app.ts'),
    import('../application-node.ts'),
    import('../context.ts'),
    import('../workload.ts'),
    import('../bus-user.ts'),
    import('../advertised.ts'),
    import('../readiness/register.ts'),
  ]);
  const context = await readMembership();
  const advertise = await advertisedAddress(context, options.advertise);
  const placed = await sidecarNode({
    ...options,
    labels: options.label ?? {},
    name: options.name ?? '',
    address: options.address ?? '',
    advertise,
    ports: [INBOUND_PORT, OUTBOUND_PORT, ADMIN_PORT],
  });
  const { node, local } = placed;
  const { app: target } = node;
  const probe = await probeOf(options, target, process.env);
  const oldNode = oldNodeWarning(command, process.env);
  if (target !== null && (await accepts(target.address, target.port))) {
    throw new CliError(`port ${target.port} on ${target.address} is in use: the application cannot listen there`);
  }
  const at = (own: number) => ({ address: local || '127.0.0.1', port: local === '' ? 0 : own });
  // Many workloads share the address that others know.
  const reached = advertise === '' ? at(INBOUND_PORT) : { address: advertise, port: 0 };
  const stateDir = stateFolder(await makeHome(), placed);
  const user = busUser(context, node, stateDir);
  const { startProxy } = await import('../../core/main.ts');
  const proxy = await startProxy({
    node,
    version: weftVersion(),
    source: { kind: 'bus', bus: { ...context.bus, name: node.name, user } },
    protectedPorts: portsOf(context),
    shards: options.shards,
    admin: at(ADMIN_PORT),
    listeners: {
      outbound: at(OUTBOUND_PORT),
      ...(target !== null && { inbound: reached }),
      upstreams: options.upstream,
    },
    stateDir,
    accessLog: { format: options.accessLog },
    allowPrivateFetch: options.allowPrivateFetch,
    outboundPolicy: options.outboundPolicy,
    drainTimeoutMs: options.drainTimeout,
    seriesExpiryMs: options.metricsExpiry,
    logLevel: options.logLevel,
    register: false,
  });
  const { giveBackSpareHeap } = await import('../../core/shard/spare-heap.ts');
  giveBackSpareHeap();
  let app: App | null = null;
  const ended = new AbortController();
  try {
    const early = await untilReady(proxy, Promise.race([stopped, user.refused]), options.readyTimeout);
    if (early !== undefined) return EXIT.ok;
    const warning = await oldNode;
    if (warning !== null) note(`mesh: ${warning}`);
    // Who it calls should know who calls.
    if (target === null) await proxy.register();
    const started = await startApp(command, appEnvironment(process.env, target, proxy.outbound));
    app = started;
    for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => started.signal(signal));
    const listening =
      target === null
        ? Promise.resolve()
        : untilListening(target.address, target.port, options.readyTimeout, app.ended);
    let end: unknown = await Promise.race([listening, stopped]);
    if (end === undefined && target !== null) {
      const called = registerWhileReady(proxy, probe, thresholdsOf(options), ended.signal);
      end = await Promise.race([called, stopped, app.ended, proxy.exited.then(() => 'sidecar')]);
    }
    if (end === undefined) {
      const { admin, outbound, inbound } = proxy;
      const ready = { name: node.name, address: node.address, admin, outbound, inbound, pid: app.pid };
      announce(ready);
      if (options.json === true) printJson(ready);
      else note(`mesh: ${node.name} is ready (sidecar ${node.address || at(0).address}, admin ${admin})`);
    }
    return await untilEnd(proxy, app, stopped, options);
  } finally {
    ended.abort();
    await app?.stop('SIGTERM', options.stopTimeout);
    await proxy.close();
  }
}

/** Told to stop: the registry first, then what is under way, then the application. Returns the exit code. */
async function untilEnd(
  proxy: SidecarProxy,
  app: App,
  stopped: Promise<StopReason>,
  options: Options,
): Promise<number> {
  const sidecarGone = proxy.exited.then(() => 'sidecar' as const);
  const first = await Promise.race([stopped, app.ended, sidecarGone]);
  let end: AppEnd;
  if (typeof first !== 'string') {
    end = first;
    await proxy.unregister();
  } else {
    // The rest of the sidecar's end is none of the application's business.
    if (first !== 'sidecar') await Promise.race([proxy.finish(), app.ended]);
    end = await app.stop(first === 'SIGINT' || first === 'SIGHUP' ? first : 'SIGTERM', options.stopTimeout);
  }
  if (end.exitCode !== 0) note(`mesh: the application ended (${end.how})`);
  return end.exitCode;
}

function appEnvironment(env: NodeJS.ProcessEnv, app: Node['app'], outbound: string | null): NodeJS.ProcessEnv {
  const { HTTP_PROXY: _upper, http_proxy: _lower, ...rest } = env;
  const direct = ['localhost', '127.0.0.1', '::1', ...(env.NO_PROXY ?? env.no_proxy ?? '').split(',')];
  const noProxy = [...new Set(direct.map((host) => host.trim()).filter((host) => host !== ''))].join(',');
  const proxied =
    outbound === null
      ? {}
      : { HTTP_PROXY: outbound, http_proxy: outbound, NO_PROXY: noProxy, no_proxy: noProxy, NODE_USE_ENV_PROXY: '1' };
  // Who has a way of his own to the outside keeps it.
  const tunnels =
    outbound === null || env.HTTPS_PROXY || env.https_proxy ? {} : { HTTPS_PROXY: outbound, https_proxy: outbound };
  return { ...rest, ...proxied, ...tunnels, ...(app !== null && { PORT: String(app.port), HOST: app.address }) };
}
