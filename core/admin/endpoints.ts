// The admin endpoints, by Envoy's names: each is a line of what it does and a function from the query to an answer. Which
// of them change something is said here; that only POST may do so is the server's to see to.

import { compileRegex, regexFault } from '../config/regex.ts';
import type { DumpKind, LogLevel } from '../shard/protocol.ts';
import { CONTENT_TYPE } from '../telemetry/prometheus.ts';
import { dumpOf } from './dumps.ts';
import type { AdminHost } from './host.ts';
import { redact } from './redact.ts';
import {
  clustersJson,
  clustersText,
  listenersJson,
  listenersText,
  memoryJson,
  serverInfoJson,
  statsLines,
} from './views.ts';

export interface Answer {
  readonly status?: number;
  /** Default: text. */
  readonly type?: string;
  readonly body: string;
  /** The methods that would be allowed, with status 405. */
  readonly allow?: string;
  /** What happens once the answer is out. */
  readonly after?: () => void;
}

export interface Endpoint {
  readonly path: string;
  readonly help: string;
  readonly mutates: boolean;
  answer(host: AdminHost, query: URLSearchParams): Answer | Promise<Answer>;
}

/** The asker's mistake; the message says what to ask instead. */
export class BadQuery extends Error {}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warning', 'error'];
const DUMPS: readonly DumpKind[] = ['listeners', 'routes', 'clusters', 'endpoints', 'filters'];

/** All but '/' and '/help', which show this list. */
export const ENDPOINTS: readonly Endpoint[] = [
  reads('/clusters', 'upstream clusters and their endpoints (?format=json)', async (host, query) => {
    const [clusters, endpoints] = [await dumpOf(host, 'clusters'), await dumpOf(host, 'endpoints')];
    return asJson(query) ? json(clustersJson(clusters, endpoints)) : text(clustersText(clusters, endpoints));
  }),
  reads(
    '/config_dump',
    'the configuration that serves (?resource=listeners|routes|clusters|endpoints|filters|secrets)',
    configDump,
  ),
  mutates('/credentials/look', 'ask for the secrets that the configuration names again', async (host) => {
    await host.lookForSecrets();
    return text('OK\n');
  }),
  mutates('/drain_listeners', 'stop taking new connections', (host) => ({ body: 'OK\n', after: () => host.drain() })),
  reads('/endpoints', 'the endpoints of all clusters', async (host) => json(await dumpOf(host, 'endpoints'))),
  reads('/filters', 'the filters in use', async (host) => json(await dumpOf(host, 'filters'))),
  mutates('/healthcheck/fail', 'fail the readiness check', (host) => {
    host.healthcheck(true);
    return text('OK\n');
  }),
  mutates('/healthcheck/ok', 'no longer fail the readiness check', (host) => {
    host.healthcheck(false);
    return text('OK\n');
  }),
  reads('/listeners', 'listeners and their addresses (?format=json)', async (host, query) => {
    const listeners = await dumpOf(host, 'listeners');
    return asJson(query) ? json(listenersJson(listeners)) : text(listenersText(listeners));
  }),
  mutates('/logging', `show the log level, or set it (?level=${LEVELS.join('|')})`, logging),
  reads('/memory', 'memory of the process', () => json(memoryJson())),
  mutates('/quitquitquit', 'end in order', (host) => ({ body: 'OK\n', after: () => host.quit() })),
  reads('/ready', '200 LIVE, or 503 and why not', (host) => {
    const { state, reason } = host.state();
    if (state === 'LIVE') return text(reason === '' ? 'LIVE\n' : `LIVE\nbut ${reason}\n`);
    return { status: 503, body: reason === '' ? `${state}\n` : `${state}: ${reason}\n` };
  }),
  reads('/routes', 'virtual hosts and their routes', async (host) => json(await dumpOf(host, 'routes'))),
  reads('/server_info', 'version, state, node', (host) => {
    return json(redact(serverInfoJson(host.serverInfo(), host.state().state, Date.now())));
  }),
  reads('/stats', 'figures (?filter=REGEX, ?usedonly, ?format=json|prometheus)', stats),
  reads('/stats/prometheus', 'figures for Prometheus', async (host) => prometheus(await host.prometheus())),
];

function reads(path: string, help: string, answer: Endpoint['answer']): Endpoint {
  return { path, help, mutates: false, answer };
}

function mutates(path: string, help: string, answer: Endpoint['answer']): Endpoint {
  return { path, help, mutates: true, answer };
}

async function configDump(host: AdminHost, query: URLSearchParams): Promise<Answer> {
  const resource = query.get('resource');
  if (resource !== null && ![...DUMPS, 'secrets'].includes(resource)) {
    throw new BadQuery(
      `there is no resource ${JSON.stringify(resource.slice(0, 100))}: ask for one of ${[...DUMPS, 'secrets'].join(', ')}`,
    );
  }
  const kinds = DUMPS.filter((kind) => resource === null || kind === resource);
  const dumps = await Promise.all(kinds.map((kind) => dumpOf(host, kind)));
  const { version, revision, node } = host.serverInfo();
  const secrets = resource === null || resource === 'secrets' ? { secrets: host.secrets() } : {};
  return json({ version, revision, node, ...Object.fromEntries(kinds.map((kind, i) => [kind, dumps[i]])), ...secrets });
}

function logging(host: AdminHost, query: URLSearchParams): Answer {
  for (const name of query.keys()) if (name !== 'level') throw new BadQuery('the one parameter here is level');
  const wanted = query.get('level');
  if (wanted === null) return text(`level: ${host.logLevel()}\n`);
  const level = wanted === 'warn' ? 'warning' : LEVELS.find((known) => known === wanted);
  if (level === undefined) throw new BadQuery(`the levels are ${LEVELS.join(', ')}`);
  return text(`level: ${host.logLevel(level)}\n`);
}

async function stats(host: AdminHost, query: URLSearchParams): Promise<Answer> {
  const format = query.get('format') ?? 'text';
  const exposition = await host.prometheus();
  if (format === 'prometheus') return prometheus(exposition);
  if (format !== 'text' && format !== 'json') throw new BadQuery('the formats are text, json and prometheus');
  const filter = query.get('filter');
  const fault = filter === null ? null : regexFault(filter);
  if (fault !== null) throw new BadQuery(`filter: ${fault}`);
  const expression = filter === null ? null : compileRegex(filter);
  const shown = statsLines(exposition).filter(([name, value]) => {
    if (query.has('usedonly') && value === '0') return false;
    return expression === null || expression.matcher(name).find();
  });
  if (format === 'json') return json({ stats: shown.map(([name, value]) => ({ name, value: Number(value) })) });
  return text(shown.map(([name, value]) => `${name}: ${value}\n`).join(''));
}

function asJson(query: URLSearchParams): boolean {
  const format = query.get('format') ?? 'text';
  if (format !== 'text' && format !== 'json') throw new BadQuery('the formats are text and json');
  return format === 'json';
}

function text(body: string): Answer {
  return { body };
}

function json(value: unknown): Answer {
  return { type: 'application/json', body: `${JSON.stringify(value, null, 1)}\n` };
}

function prometheus(body: string): Answer {
  return { type: CONTENT_TYPE, body };
}
