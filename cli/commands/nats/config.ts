// `mesh nats config`: a configuration for each nats-server of a cluster, with the accounts of this mesh.
import { mkdir, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { ClusterServer, ServerTls } from '../../../bus/server/cluster-conf.ts';
import { makeHome } from '../../context.ts';
import { CliError, EXIT } from '../../exit.ts';
import { note, print, printJson } from '../../output.ts';

interface Options {
  readonly cluster?: true | string;
  readonly server?: readonly ClusterServer[];
  readonly out?: string;
  readonly storeDir: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly json?: boolean;
}

const ROUTES_ABOVE = 2_000;
/** Where they are expected when nobody says. */
const TLS: ServerTls = {
  cert: '/etc/nats/tls/server.crt',
  key: '/etc/nats/tls/server.key',
  ca: '/etc/nats/tls/ca.crt',
};

export function addNatsConfigCommand(parent: Command): void {
  parent
    .command('config')
    .description('Print what each nats-server of a cluster needs')
    .option('--cluster [name]', 'of a cluster, whose name is "weft" unless it is said')
    .option(
      '--server <name=host:port>',
      `where one listens, repeatable; its port for the others is ${ROUTES_ABOVE} above, or a second :port`,
      server,
    )
    .option('--out <folder>', 'write a file for each server, NAME.conf, in place of printing them')
    .option('--store-dir <folder>', "of each server's data, on that server", '/var/lib/weft-nats')
    .option('--tls-cert <file>', `the server's certificate, on that server (else ${TLS.cert})`)
    .option('--tls-key <file>', `its key (else ${TLS.key})`)
    .option('--tls-ca <file>', `who vouches for the servers (else ${TLS.ca})`)
    .option('--json', 'print the configurations as JSON by name')
    .addHelpText(
      'after',
      `
The accounts are those of this $MESH_HOME, and are made when there are none; keep the output to the servers and their owner: it has
the secret by which they know each other. Servers that listen elsewhere than on loopback have TLS.

Examples:
  $ mesh nats config --cluster --server n1=10.0.0.1:4222 --server n2=10.0.0.2:4222 --server n3=10.0.0.3:4222 --out conf/
  $ nats-server -c conf/n1.conf`,
    )
    .action(config);
}

async function config(options: Options): Promise<void> {
  const { cluster, server: servers = [], storeDir, out } = options;
  if (cluster === undefined) {
    throw new CliError('say --cluster: the only nats-server of `mesh up` has its configuration from there', EXIT.usage);
  }
  refuseOdd(servers);
  const [{ clusterServerConf }, { ensureCredentials, makePrivateFolder, readIfThere }, accounts, revocations] =
    await Promise.all([
      import('../../../bus/server/cluster-conf.ts'),
      import('../../../bus/server/server-conf.ts'),
      import('../../../bus/users/accounts.ts'),
      import('../../../bus/users/revocations.ts'),
    ]);
  const folder = join(await makeHome(), 'nats');
  await makePrivateFolder(folder);
  const { keys } = (await ensureCredentials(folder)).control;
  // Whoever is out of the server of `mesh up` is out of the cluster.
  const known = await readIfThere(join(folder, 'nats.conf'));
  const tokens = await accounts.accountTokens(keys, revocations.revocationsIn(known, accounts.publicKey(keys.proxies)));
  const conf = {
    ...{ servers, keys, tokens, tls: tlsOf(options, servers), name: cluster === true ? 'weft' : cluster },
    storeDir: (name: string) => join(storeDir, name),
  };
  const texts = servers.map((server) => [server.name, clusterServerConf(conf, server)] as const);
  if (out !== undefined) {
    await mkdir(out, { recursive: true });
    for (const [name, text] of texts) await writeFile(join(out, `${name}.conf`), text, { mode: 0o600 });
    const files = texts.map(([name]) => join(out, `${name}.conf`));
    if (options.json === true) printJson(files);
    else for (const file of files) print(file);
  } else if (options.json === true) {
    printJson(Object.fromEntries(texts.map(([name, text]) => [name, JSON.parse(text) as unknown])));
  } else {
    for (const [name, text] of texts) print(`# nats.conf of ${name}\n${text.trimEnd()}`);
  }
}

function refuseOdd(servers: readonly ClusterServer[]): void {
  if (servers.length < 3) {
    throw new CliError('a cluster has 3 or 5 servers, so that it goes on without one: --server for each', EXIT.usage);
  }
  for (const what of ['name', 'address', 'address of routes'] as const) {
    const seen = new Set<string>();
    for (const { name, host, port, routePort } of servers) {
      const value = what === 'name' ? name : `${host}:${what === 'address' ? port : routePort}`;
      if (seen.has(value)) throw new CliError(`two servers have the ${what} ${value}`, EXIT.usage);
      seen.add(value);
    }
  }
}

/** null where nothing leaves a machine. */
function tlsOf({ tlsCert, tlsKey, tlsCa }: Options, servers: readonly ClusterServer[]): ServerTls | null {
  const given = [tlsCert, tlsKey, tlsCa].filter((path) => path !== undefined).length;
  if (given === 0 && servers.every(({ host }) => isLoopback(host))) return null;
  if (given < 3)
    note('TLS: put certificates, keys and who vouches for them where the configurations say, or say where');
  return { cert: tlsCert ?? TLS.cert, key: tlsKey ?? TLS.key, ca: tlsCa ?? TLS.ca };
}

function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === 'localhost' || host === '[::1]';
}

/** 'n1=10.0.0.1:4222', 'n1=nats-1.example.com:4222:6222', 'n1=[fd00::1]:4222' */
function server(text: string, before: readonly ClusterServer[] = []): readonly ClusterServer[] {
  const [, name, host, first, second] =
    /^([\w-]{1,64})=(\[[\da-f:.]+\]|[\w.-]+):(\d{1,5})(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const port = Number(first);
  const routePort = second === undefined ? port + ROUTES_ABOVE : Number(second);
  if (name === undefined || [port, routePort].some((each) => each < 1 || each > 65_535)) {
    throw new InvalidArgumentError('NAME=HOST:PORT is needed, or NAME=HOST:PORT:PORT for the other servers.');
  }
  return [...before, { name, host, port, routePort }];
}
