// `mesh nats status`: the nats-servers of this mesh, asked each by itself, and who leads what. Needs no control plane.
import { type Command, Option } from 'commander';
import type { CopyStatus, NatsStatus } from '../../../bus/server/cluster-status.ts';
import { readContext } from '../../context.ts';
import { CliError, EXIT } from '../../exit.ts';
import { readNatsCredentials, readRoots } from '../../nats-credentials.ts';
import { print, printJson, table } from '../../output.ts';
import { each } from '../../parse.ts';

interface Options {
  readonly nats?: readonly string[];
  readonly natsCa?: string;
  readonly natsCredentials?: string;
  readonly output: 'table' | 'json';
  readonly json?: boolean;
}

export function addNatsStatusCommand(parent: Command): void {
  parent
    .command('status')
    .description('The nats-servers, who leads which stream, and whether their copies agree')
    .option('--nats <url>', 'one of them, repeatable; the others are found (default: those of this $MESH_HOME)', each)
    .option('--nats-ca <file>', 'who vouches for them, in PEM (default: as this $MESH_HOME knows)')
    .option('--nats-credentials <file>', 'users of NATS (default: nats/credentials.json in $MESH_HOME)')
    .addOption(new Option('-o, --output <format>', 'how').choices(['table', 'json']).default('table'))
    .addHelpText(
      'after',
      `
Ends with 1 when a server does not answer, a stream has no leader or a copy of it is away, or copies of the configuration differ.

Examples:
  $ mesh nats status
  $ mesh nats status --nats nats://10.0.0.1:4222 -o json`,
    )
    .action(status);
}

async function status(options: Options): Promise<void> {
  const known = options.nats === undefined ? (await readContext()).bus : null;
  const servers = options.nats ?? known?.servers ?? [];
  const ca = options.natsCa === undefined ? known?.ca : await readRoots(options.natsCa);
  const { control } = await readNatsCredentials(options.natsCredentials);
  const [{ natsStatus }, { BusUnavailableError }] = await Promise.all([
    import('../../../bus/server/cluster-status.ts'),
    import('../../../bus/types.ts'),
  ]);
  const found = await natsStatus(servers, { credentials: control, ca }).catch((error: unknown) => {
    throw error instanceof BusUnavailableError ? new CliError(error.message, EXIT.unreachable) : error;
  });
  const wrong = troubles(found);
  if (options.output === 'json' || options.json === true) printJson({ ...found, whole: wrong.length === 0 });
  else show(found);
  if (wrong.length > 0) throw new CliError(wrong.join('; '));
}

function troubles({ servers, streams, agree }: NatsStatus): string[] {
  const leaderless = (streams ?? []).filter(({ leader }) => leader === '').map(({ name }) => name);
  const away = new Set(
    (streams ?? []).flatMap(({ copies }) => copies.filter((copy) => copy.offline).map((copy) => copy.server)),
  );
  return [
    ...servers.filter(({ trouble }) => trouble !== '').map(({ url, trouble }) => `${url} does not answer: ${trouble}`),
    ...(away.size > 0 ? [`copies are away with ${[...away].join(', ')}`] : []),
    ...(streams === null ? ['nobody tells of the streams: the servers have no leader among them'] : []),
    ...(leaderless.length > 0 ? [`nobody leads ${leaderless.join(', ')}`] : []),
    ...(agree === false ? ['the copies of the configuration differ: see docs/clusters.md'] : []),
  ];
}

function show({ cluster, servers, streams, agree }: NatsStatus): void {
  print(cluster === '' ? 'a single nats-server' : `cluster ${cluster}`);
  const rows = servers.map(({ name, url, version, holds, trouble }) => [
    name,
    url,
    version,
    trouble === '' ? (holds === null ? '-' : String(holds.revision)) : 'does not answer',
    holds === null ? '-' : holds.digest.slice(0, 19),
  ]);
  print(table(['SERVER', 'ADDRESS', 'VERSION', 'REVISION', 'DIGEST'], rows));
  if (agree === true) print('the copies of the configuration agree');
  if (streams === null) return;
  print('');
  print(
    table(
      ['STREAM', 'REPLICAS', 'LEADER', 'LAST', 'OTHER COPIES'],
      streams.map(({ name, replicas, leader, last, copies }) => {
        return [name, String(replicas), leader || 'nobody', String(last), copies.map(describe).join(', ') || '-'];
      }),
    ),
  );
}

function describe({ server, current, offline, lag }: CopyStatus): string {
  if (offline) return `${server} (away)`;
  if (current && lag === 0) return server;
  return `${server} (${lag > 0 ? `${lag} behind` : 'not current'})`;
}
