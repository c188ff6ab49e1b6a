// What the nats-servers of a cluster are given: a configuration each, with one set of accounts. They keep what they are told of
// accounts on their disks, revocations too, and tell each other.
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import type { AccountTokens, BusKeys } from '../users/accounts.ts';
import { accountsConf, confText, jetStream, LIMITS } from './server-conf.ts';

export interface ClusterServer {
  readonly name: string;
  readonly host: string;
  /** Of clients. */
  readonly port: number;
  /** Of the other servers. */
  readonly routePort: number;
}

/** Paths on the servers. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface ClusterConf {
  readonly name: string;
  readonly servers: readonly ClusterServer[];
  readonly keys: BusKeys;
  readonly tokens: AccountTokens;
  /** null: plain text, for a cluster on one machine. */
  readonly tls: ServerTls | null;
  /** A folder of each server's own. */
  storeDir(name: string): string;
}

/** Of one of them. */
export function clusterServerConf(conf: ClusterConf, { name, host, port, routePort }: ClusterServer): string {
  const { servers, keys, tokens, tls } = conf;
  const dir = conf.storeDir(name);
  const password = routePassword(keys);
  const routes = servers.map((each) => `nats://weft:${password}@${each.host}:${each.routePort}`);
  const certificate = tls && { cert_file: tls.cert, key_file: tls.key, ca_file: tls.ca, timeout: 5 };
  return confText({
    host,
    port,
    server_name: name,
    ...(certificate && { tls: certificate }),
    ...LIMITS,
    cluster: {
      name: conf.name,
      host,
      port: routePort,
      authorization: { user: 'weft', password, timeout: 5 },
      // Servers prove themselves to each other.
      ...(certificate && { tls: { ...certificate, verify: true } }),
      routes,
    },
    jetstream: jetStream(join(dir, 'data')),
    ...accountsConf(tokens),
    resolver: { type: 'full', dir: join(dir, 'accounts'), allow_delete: false, interval: '10s', limit: 100 },
  });
}

/** The same each time, so that a server can be added without new configurations for the others' secret. */
function routePassword({ operator }: BusKeys): string {
  return createHmac('sha256', operator).update('routes between the servers of the cluster').digest('base64url');
}
