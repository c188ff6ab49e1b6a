// `mesh control`: a control plane on a NATS that runs elsewhere. Any number of them serve the same mesh.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type AccessChoice, accessOptions, chosenAccess } from '../access-options.ts';
import { type AuthorityChoice, authorityOptions, chosenAuthority } from '../authority-options.ts';
import { makeHome, writeContext } from '../context.ts';
import { listenOption, loopback, servesAt } from '../listen.ts';
import { readNatsCredentials, readRoots } from '../nats-credentials.ts';
import { note, print, printJson } from '../output.ts';
import { each, port } from '../parse.ts';
import { untilStopped } from '../until-stopped.ts';
import { weftVersion } from '../version.ts';

interface Options extends AuthorityChoice, AccessChoice {
  readonly nats: readonly string[];
  readonly natsCredentials?: string;
  readonly replicas: number;
  readonly natsCa?: string;
  readonly host: string;
  readonly listen?: string;
  readonly port: number;
  readonly allowHost?: readonly string[];
  readonly context: boolean;
  readonly allowPrivateFetch?: boolean;
  readonly json?: boolean;
}

export function controlCommand(program: Command): void {
  accessOptions(authorityOptions(program.command('control')))
    .description('Start a control plane on a NATS that runs already')
    .requiredOption(
      '--nats <url>',
      'such as nats://127.0.0.1:4222; repeatable, once for each server of a cluster',
      each,
    )
    .addOption(
      new Option('--replicas <number>', 'copies of what is stored, on as many servers of the cluster: 1, 3 or 5')
        .argParser(copies)
        .default(1),
    )
    .option('--nats-credentials <file>', 'users of NATS (default: nats/credentials.json in $MESH_HOME)')
    .option('--nats-ca <file>', 'speak to NATS by TLS: whose certificates its own is below, in PEM')
    .addOption(
      new Option('--host <address>', 'of loopback, where the API listens').argParser(loopback).default('127.0.0.1'),
    )
    .addOption(listenOption('serve the API'))
    .option('-p, --port <port>', 'of the API; 0 takes a free one', port, 15010)
    .option('--allow-host <name>', 'a further name under which clients may ask; repeatable', each)
    .option('--allow-private-fetch', 'modules may be fetched from private networks and this machine')
    .option('--no-context', 'leave the context of this $MESH_HOME as it is')
    .option('--json', 'print the address as JSON once it is ready')
    .addHelpText(
      'after',
      `
Streams that have fewer copies get more, and none gets fewer. docs/clusters.md tells of clusters.

Examples:
  $ mesh control --nats nats://127.0.0.1:4222 --port 15011 --no-context
  $ mesh control --nats nats://127.0.0.1:4222 --oidc-issuer-url https://id.example --oidc-client-id mesh \\
      --grant group:platform=admin --grant group:shop-team=operator@shop
  $ mesh control --nats nats://n1:4222 --nats nats://n2:4222 --nats nats://n3:4222 --replicas 3`,
    )
    .action(async (options: Options) => {
      const stopped = untilStopped();
      const stop = new AbortController();
      void stopped.then((why) => stop.abort(new Error(`stopped by ${why} before everything was ready`)));
      const authority = await chosenAuthority(options);
      const access = await chosenAccess(options);
      const home = await makeHome();
      const credentials = await readNatsCredentials(options.natsCredentials);
      const verifyKey = credentials.proxy?.verifyKey;
      const ca = options.natsCa === undefined ? undefined : await readRoots(options.natsCa);
      const machines = await servesAt(options.listen, home, authority);
      const { startControl } = await import('../../control/main.ts');
      const control = await startControl({
        nats: { servers: options.nats, ca, replicas: options.replicas, verifyKey, ...credentials.control },
        host: options.host,
        port: options.port,
        machines,
        hosts: options.allowHost,
        stateDir: home,
        authority,
        ...access,
        allowPrivateFetch: options.allowPrivateFetch,
        version: weftVersion(),
        signal: stop.signal,
        onLog: note,
      });
      try {
        const bus = { servers: options.nats, ca, verifyKey };
        if (options.context) await writeContext({ api: control.url, token: control.token, bus });
        if (options.json === true) printJson({ api: control.url, machines: control.machinesUrl, home });
        else {
          print(`control plane  ${control.url}`);
          if (control.machinesUrl !== null) print(`to others      ${control.machinesUrl}  (by TLS)`);
        }
        await stopped;
      } finally {
        await control.close();
      }
    });
}

/** An even number of copies survives no more than the odd one before it. */
function copies(text: string): number {
  if (!['1', '3', '5'].includes(text)) throw new InvalidArgumentError('There are 1, 3 or 5 copies.');
  return Number(text);
}
