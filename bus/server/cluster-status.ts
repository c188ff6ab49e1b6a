// How the nats-servers of a mesh are: who there is, who leads which stream, how far the copies are, and whether they hold the same
// configuration. Asked of each server by itself, since any other one would answer for it.

import { attempts, type JetStreamError, refusal } from '../attempts.ts';
import { openLink } from '../dial.ts';
import { digestOf } from '../digest.ts';
import type { Link } from '../link.ts';
import { fromDirectGet, type StoredMessage, type StreamQuery } from '../stored-message.ts';
import { CONFIG_LOG, INFO_PREFIX, inboxPrefix } from '../subjects.ts';
import { BusUnavailableError } from '../types.ts';
import type { Credentials } from '../users/accounts.ts';
import { fixedLogin } from '../users/login.ts';

export interface ServerStatus {
  /** '' when it is not known. */
  readonly name: string;
  /** 'nats://127.0.0.1:4222' */
  readonly url: string;
  readonly version: string;
  /** What its own copy of the configuration log ends with; null when it has none, or does not say. */
  readonly holds: { readonly revision: number; readonly digest: string } | null;
  /** Why it does not answer, or ''. */
  readonly trouble: string;
}

export interface CopyStatus {
  readonly server: string;
  readonly current: boolean;
  readonly offline: boolean;
  /** Messages that it has not got yet. */
  readonly lag: number;
}

export interface StreamStatus {
  readonly name: string;
  readonly replicas: number;
  /** '' = nobody leads. */
  readonly leader: string;
  readonly last: number;
  /** Beside the leader's. */
  readonly copies: readonly CopyStatus[];
}

export interface NatsStatus {
  /** Its name, or '' for a single server. */
  readonly cluster: string;
  readonly servers: readonly ServerStatus[];
  /** null: nobody tells of them, as while the servers have not elected who does. */
  readonly streams: readonly StreamStatus[] | null;
  /** Whether the copies of the configuration log are one log; null when none could be read. */
  readonly agree: boolean | null;
}

const CONNECT_MS = 3_000;
const ASK_MS = 3_000;

/** How servers are reached. */
export interface Access {
  readonly credentials: Credentials;
  /** Who vouches for them, in PEM; the system's by default. */
  readonly ca?: string;
}

/** `servers`: some of them; the others are found by these. Throws BusUnavailableError when none answers. */
export async function natsStatus(servers: readonly string[], access: Access): Promise<NatsStatus> {
  const reached = new Map<string, Link | string>();
  try {
    for (let next = [...servers]; next.length > 0; ) {
      const links = await Promise.all(next.map((url) => connect(url, access)));
      for (const [i, url] of next.entries()) reached.set(url, links[i]);
      next = [...new Set(links.flatMap(neighbours))].filter((url) => !reached.has(url));
    }
    const links = distinct(reached);
    const [first] = links.values();
    if (first === undefined) {
      const why = [...reached].map(([url, trouble]) => `${url}: ${String(trouble)}`);
      throw new BusUnavailableError(`no server of NATS answers (${why.join('; ')})`);
    }
    const [streams, held] = await Promise.all([
      streamsOf(first),
      Promise.all([...links.values()].map((link) => copy(link, { last_by_subj: CONFIG_LOG.commits }))),
    ]);
    const agree = await agreement([...links.values()], held);
    const answering = [...links].map(([url, link], i): ServerStatus => {
      const { server_name: name = '', version = '' } = link.nc.info ?? {};
      const message = held[i];
      const holds = message && { revision: message.sequence, digest: digestOf(message.data) };
      return { name, url, version, holds, trouble: '' };
    });
    const silent = [...reached].flatMap(([url, trouble]): ServerStatus[] =>
      typeof trouble === 'string' ? [{ name: '', url, version: '', holds: null, trouble }] : [],
    );
    return { cluster: first.nc.info?.cluster ?? '', servers: [...answering, ...silent], streams, agree };
  } finally {
    await Promise.all([...reached.values()].map((link) => (typeof link === 'string' ? null : link.close())));
  }
}

/** Or why not. */
async function connect(url: string, { credentials, ca }: Access): Promise<Link | string> {
  const login = fixedLogin(credentials);
  const names = { name: 'weft status', inboxPrefix: inboxPrefix(), infoPrefix: INFO_PREFIX };
  try {
    return await openLink({ ...names, servers: [url], ca, login, alone: true, waitMs: CONNECT_MS });
  } catch (error) {
    if (!(error instanceof BusUnavailableError)) throw error;
    return error.message.replace(/^cannot connect to NATS at \S+: /, '');
  }
}

function neighbours(link: Link | string): string[] {
  if (typeof link === 'string') return [];
  const scheme = link.nc.info?.tls_required === true ? 'tls' : 'nats';
  return (link.nc.info?.connect_urls ?? []).map((address) => `${scheme}://${address}`);
}

/** One server may be reached under several names. */
function distinct(reached: ReadonlyMap<string, Link | string>): Map<string, Link> {
  const links = new Map<string, Link>();
  const seen = new Set<string>();
  for (const [url, link] of reached) {
    if (typeof link === 'string' || seen.has(link.nc.info!.server_id)) continue;
    seen.add(link.nc.info!.server_id);
    links.set(url, link);
  }
  return links;
}

/** Of the server that the link is to: a direct get is answered by its own copy, if it has one. */
async function copy(link: Link, query: StreamQuery): Promise<StoredMessage | null> {
  const { stream } = CONFIG_LOG;
  try {
    const reply = await link.request(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(query), undefined, ASK_MS);
    return fromDirectGet(reply, stream);
  } catch (error) {
    if (error instanceof BusUnavailableError) return null;
    throw error;
  }
}

/** At the newest revision that all have: a change may be under way. */
async function agreement(links: readonly Link[], held: readonly (StoredMessage | null)[]): Promise<boolean | null> {
  const having = links.filter((_, i) => held[i] !== null);
  if (having.length === 0) return null;
  const seq = Math.min(...held.flatMap((message) => (message === null ? [] : [message.sequence])));
  const copies = await Promise.all(having.map((link) => copy(link, { seq })));
  return new Set(copies.map((message) => message && digestOf(message.data))).size === 1;
}

interface StreamInfo {
  readonly config: { readonly name: string; readonly num_replicas: number };
  readonly state: { readonly last_seq: number };
  readonly cluster?: {
    readonly leader?: string;
    readonly replicas?: readonly {
      readonly name: string;
      readonly current: boolean;
      readonly offline?: boolean;
      readonly lag?: number;
    }[];
  };
}

/** The list of them comes from the leader of all servers alone. */
async function streamsOf(link: Link): Promise<StreamStatus[] | null> {
  let names: string[];
  try {
    names = await attempts(link, ASK_MS, async (ms) => {
      const reply = await link.request('$JS.API.STREAM.NAMES', '', undefined, ms);
      const { error, streams } = reply.json<{ error?: JetStreamError; streams?: string[] | null }>();
      if (error !== undefined) throw refusal('does not list its streams', error);
      return streams ?? [];
    });
  } catch (error) {
    if (error instanceof BusUnavailableError) return null;
    throw error;
  }
  return Promise.all(names.toSorted().map((name) => streamOf(link, name)));
}

async function streamOf(link: Link, name: string): Promise<StreamStatus> {
  try {
    const info = await attempts(link, ASK_MS, async (ms) => {
      return (await link.request(`${INFO_PREFIX}.${name}`, '', undefined, ms)).json<Partial<StreamInfo>>();
    });
    const { config, state, cluster } = info;
    const copies = (cluster?.replicas ?? []).map(({ name: server, current, offline = false, lag = 0 }) => {
      return { server, current, offline, lag };
    });
    const leader = cluster === undefined ? (link.nc.info?.server_name ?? '') : (cluster.leader ?? '');
    return { name, replicas: config?.num_replicas ?? 1, leader, last: state?.last_seq ?? 0, copies };
  } catch (error) {
    if (!(error instanceof BusUnavailableError)) throw error;
    return { name, replicas: 0, leader: '', last: 0, copies: [] };
  }
}
