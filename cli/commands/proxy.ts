// `mesh proxy`: a gateway of the mesh, or with --config a reverse proxy that runs alone from a folder of files.

import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { hostPort } from '../../core/host-port.ts';
import type { Address, ConfigSource } from '../../core/main/options.ts';
import { CliError, EXIT } from '../exit.ts';
import { note, print, printJson } from '../output.ts';
import { address, count, durationOption, label, name, portMapping, seriesExpiryOption } from '../parse.ts';
import { untilReady } from '../until-ready.ts';
import { announce, untilStopped } from '../until-stopped.ts';
import { weftVersion } from '../version.ts';

interface Options {
  readonly config?: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly shards?: number;
  readonly admin: Address;
  readonly listen: string;
  readonly gatewayPort?: Readonly<Record<number, number>>;
  readonly outbound?: Address;
  readonly address?: string;
  readonly advertise?: string;
  readonly readyTimeout: number;
  readonly drainTimeout: number;
  readonly handshakeTimeout: number;
  readonly metricsExpiry: number;
  readonly outboundPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  readonly allowPrivateFetch?: boolean;
  readonly accessLog: 'text' | 'json' | 'off';
  readonly logLevel: 'debug' | 'info' | 'warning' | 'error';
  readonly json?: boolean;
}

export function proxyCommand(program: Command): void {
  const command = program
    .command('proxy')
    .description('Start a gateway of this mesh, or with --config a reverse proxy from files')
    .option('--config <folder>', 'run alone from the YAML files in this folder, read again as they change')
    .option('--name <name>', 'of this instance', name, 'ingressgateway')
    .option('-n, --namespace <name>', 'its namespace', name, 'istio-system')
    .option('--service-account <name>', 'its identity', name, 'istio-ingressgateway-service-account')
    .option('-l, --label <name=value>', "beside istio=ingressgateway, for Gateways' selectors; repeatable", label)
    .option('--shards <number>', 'threads that serve (default: one a core)', count)
    .addOption(
      new Option('--admin <address>', 'of the admin interface; port 0 takes a free one')
        .argParser(address)
        .default({ address: '127.0.0.1', port: 0 }, '127.0.0.1:0'),
    )
    .option('--listen <address>', 'where Gateways without a bind listen', '127.0.0.1')
    .option('--gateway-port <from=to>', "bind this port for a Gateway's, such as 80=8080; repeatable", portMapping)
    .option('--outbound <address>', 'listen for clients that use it as their HTTP proxy, too', address)
    .option('--address <address>', 'its own loopback address, from which it dials (default: by the hash of who it is)')
    .option('--advertise <address>', 'of this machine, by which others reach it (default: as it reaches NATS)')
    .addOption(durationOption('--ready-timeout', 'how long the first configuration may take', '60s'))
    .addOption(durationOption('--drain-timeout', 'how long requests under way may take at the end', '5s'))
    .addOption(durationOption('--handshake-timeout', 'how long a client may take for a handshake of TLS', '15s', 100))
    .addOption(seriesExpiryOption())
    .option('--allow-private-fetch', 'key sets may be fetched from private networks and this machine')
    .addOption(
      new Option('--outbound-policy <policy>', 'for hosts that the mesh does not know')
        .choices(['ALLOW_ANY', 'REGISTRY_ONLY'])
        .default('ALLOW_ANY'),
    )
    .addOption(
      new Option('--access-log <format>', 'to standard output').choices(['text', 'json', 'off']).default('text'),
    )
    .addOption(
      new Option('--log-level <level>', 'to standard error')
        .choices(['debug', 'info', 'warning', 'error'])
        .default('info'),
    )
    .option('--json', 'print the addresses as JSON once it serves')
    .addHelpText(
      'after',
      `
Examples:
  $ mesh proxy --gateway-port 80=8080
  $ mesh proxy --config edge/ --shards 4 --admin 127.0.0.1:15000 --listen 0.0.0.0`,
    )
    .action(async (options: Options) => {
      process.exitCode = await proxy(options);
    });
  command
    .command('revoke')
    .description('Put the users of NATS of a proxy out, for good: one that was stolen hears and says nothing more')
    .argument('<proxy>', 'its name as `mesh ps` prints it, or the id of one that is gone')
    .addHelpText('after', '\nExamples:\n  $ mesh proxy revoke reviews-v1')
    .action(revoke);
  command
    .command('quit')
    .description('End a proxy in order, wherever it is: what it has begun it finishes first')
    .argument('<proxy>', 'its name as `mesh ps` prints it')
    .addHelpText('after', '\nExamples:\n  $ mesh proxy quit ingressgateway')
    .action(quit);
}

async function quit(wanted: string): Promise<void> {
  const { adminOf, tellAdmin } = await import('../admin.ts');
  const admin = await adminOf(wanted);
  await tellAdmin(admin, 'POST', '/quitquitquit');
  print(`${admin.name} ends in order`);
}

async function revoke(wanted: string): Promise<void> {
  const [{ Api }, { askForProxy }] = await Promise.all([import('../api.ts'), import('../proxies.ts')]);
  const api = await Api.open();
  // One that is gone is known by its whole id alone.
  const id = wanted.includes('~') ? wanted : (await askForProxy(api, wanted)).id;
  const revoked = await api.revoke(id);
  if (revoked === 0) throw new CliError(`no user of NATS was made for ${wanted}`);
  print(`${wanted}: ${revoked === 1 ? 'its user is' : `its ${revoked} users are`} out, its certificate is refused`);
}

async function proxy(options: Options): Promise<number> {
  const stopped = untilStopped();
  const { makeHome, portsOf, readMembership } = await import('../context.ts');
  const { gatewayNode, stateFolder } = await import('../workload.ts');
  const { advertisedAddress } = await import('../advertised.ts');
  const context = options.config === undefined ? await readMembership() : null;
  const local = await gatewayAddress(options);
  const address = (context === null ? '' : await advertisedAddress(context, options.advertise)) || local;
  const node = gatewayNode({ ...options, labels: options.label ?? {}, address });
  const stateDir = context === null ? null : stateFolder(await makeHome(), { node, local });
  const user = context !== null && stateDir !== null ? await userOf(context, node, stateDir) : null;
  const source: ConfigSource =
    context !== null && user !== null
      ? { kind: 'bus', bus: { ...context.bus, name: options.name, user } }
      : { kind: 'files', dir: resolve(options.config ?? '.') };
  const { startProxy } = await import('../../core/main.ts');
  const running = await startProxy({
    node,
    version: weftVersion(),
    source,
    shards: options.shards,
    protectedPorts: context === null ? [] : portsOf(context),
    admin: options.admin,
    listeners: { outbound: options.outbound },
    gatewayAddress: options.listen,
    gatewayPorts: options.gatewayPort,
    stateDir,
    accessLog: { format: options.accessLog },
    allowPrivateFetch: options.allowPrivateFetch,
    outboundPolicy: options.outboundPolicy,
    drainTimeoutMs: options.drainTimeout,
    handshakeTimeoutMs: options.handshakeTimeout,
    seriesExpiryMs: options.metricsExpiry,
    logLevel: options.logLevel,
  }).catch((error: Error) => {
    // As the folder's source words it.
    const refused = source.kind === 'files' && error.message.startsWith(`${source.dir} is refused: `);
    throw refused ? new CliError(error.message, EXIT.refused) : error;
  });
  const { giveBackSpareHeap } = await import('../../core/shard/spare-heap.ts');
  giveBackSpareHeap();
  try {
    const over = user === null ? stopped : Promise.race([stopped, user.refused]);
    if ((await untilReady(running, over, options.readyTimeout)) === undefined) {
      const { admin, outbound, inbound } = running;
      const listeners = running.listeners.map(({ kind, address: host, port, configuredPort }) => ({
        kind,
        address: host,
        port,
        configuredPort,
      }));
      const ready = { name: node.name, admin, outbound, inbound, listeners };
      announce(ready);
      if (options.json === true) printJson(ready);
      else {
        const places = listeners.map(({ kind, address: host, port }) => `${kind} http://${hostPort(host, port)}`);
        note(`mesh: ${node.name} serves ${places.join(', ') || 'no listener yet'} (admin ${admin})`);
      }
    }
    if ((await Promise.race([stopped, running.exited])) !== undefined) await running.drain();
    return EXIT.ok;
  } finally {
    await running.close();
  }
}

/** Alone nobody asks who it is. */
async function gatewayAddress({ config, address: wanted, name: own, namespace }: Options): Promise<string> {
  if (wanted !== undefined || config !== undefined) return wanted ?? '';
  const { ownAddress } = await import('../loopback.ts');
  return ownAddress(`${namespace}/gateway/${own}`, [0]);
}

/** Loaded when it is needed: a proxy that runs from files knows no NATS. */
async function userOf(...proxy: Parameters<typeof import('../bus-user.ts').busUser>) {
  const { busUser } = await import('../bus-user.ts');
  return busUser(...proxy);
}
