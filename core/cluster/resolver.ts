// Addresses of hosts that the mesh knows only by name (ServiceEntry with resolution DNS, passthrough). Resolved when
// first asked for, then again at most every half minute while they are used; an answer that fails keeps the last one.

import { lookup } from 'node:dns/promises';
import type { Cluster } from './cluster.ts';
import type { Endpoint } from './endpoint.ts';
import type { EndpointTls } from './endpoint-tls.ts';

const REFRESH_MS = 30_000;
const FAILED_MS = 1_000;
const MAX_WAITING = 4096;

/** Returns the addresses of a host; rejects when there are none. */
export type Lookup = (host: string) => Promise<readonly string[]>;

export async function systemLookup(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true, order: 'ipv4first' });
  return found.map(({ address }) => address);
}

type EndpointAt = (address: string, port: number, tls: EndpointTls | null) => Endpoint;

export class Resolver {
  private readonly lookup: Lookup;
  private readonly endpoint: EndpointAt;
  private readonly refused: (address: string, port: number) => boolean;

  /** `refused`: addresses that nobody may be sent to, whatever a name says. */
  constructor(
    endpoint: EndpointAt,
    refused: (address: string, port: number) => boolean,
    lookupHost: Lookup = systemLookup,
  ) {
    this.endpoint = endpoint;
    this.refused = refused;
    this.lookup = lookupHost;
  }

  /** What a cluster calls for its addresses. */
  resolverOf(cluster: Cluster): NonNullable<Cluster['resolve']> {
    let waiting: (() => void)[] | null = null;
    let refreshed = 0;
    const refresh = async (): Promise<void> => {
      const answers = await Promise.allSettled(
        cluster.spec.dns.map(async ({ host, port, weight }) =>
          (await this.lookup(host)).map((address) => ({ address, port, weight })),
        ),
      );
      const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
      const allowed = found.filter(({ address, port }) => !this.refused(address, port));
      refreshed = Date.now();
      // Else the cluster has other names by now, and these are the addresses of the old ones.
      if (allowed.length > 0 && cluster.resolve === resolve) {
        const { tls } = cluster.spec;
        const spoken = tls?.required === true ? tls : null;
        const endpoints = allowed.map(({ address, port }) => this.endpoint(address, port, spoken));
        cluster.setEndpoints(
          endpoints,
          allowed.map(({ weight }) => weight),
        );
      }
      const done = waiting ?? [];
      waiting = null;
      for (const callback of done) callback();
    };
    const resolve = (callback: () => void): void => {
      if (cluster.endpoints.length === 0) {
        // Nobody waits in a line without end, nor for a name that had no address a moment ago.
        const hopeless = waiting === null ? Date.now() - refreshed < FAILED_MS : waiting.length >= MAX_WAITING;
        if (hopeless) callback();
        else if (waiting !== null) waiting.push(callback);
        else {
          waiting = [callback];
          void refresh();
        }
        return;
      }
      if (waiting === null && Date.now() - refreshed > REFRESH_MS) {
        waiting = [];
        void refresh();
      }
      callback();
    };
    return resolve;
  }
}
