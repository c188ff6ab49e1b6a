// Hosts that the mesh does not know: where the policy allows them, each becomes a cluster of its own, resolved by DNS,
// in a bounded table; so does each that the registry knows by a wildcard, spoken to as its rules say. Never reachable: link-local addresses (a cloud's metadata service) and the mesh's own ports
// of this machine.

import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { PASSTHROUGH_RETRIES } from '../builtins/retry/policy.ts';
import { Cluster, type ClusterSpec, DEFAULT_POLICY } from '../cluster/cluster.ts';
import type { EndpointTls } from '../cluster/endpoint-tls.ts';
import type { Resolver } from '../cluster/resolver.ts';
import type { FailureCode } from '../errors.ts';
import { EMPTY_CHAIN } from '../exchange/filter-chain.ts';
import { hostPort, splitHostPort, withoutBrackets } from '../host-port.ts';
import { BLOCK_ALL } from '../router/block-all.ts';
import { splitAuthority } from '../router/hosts.ts';
import { plainRoute } from '../router/plain-route.ts';
import type { VirtualHost } from '../router/route.ts';
import type { ShardContext } from './context.ts';

const MAX_HOSTS = 1024;
/** Istio's ports of a proxy, where a mesh of another version may listen. */
const MESH_PORTS: ReadonlySet<number> = new Set([15000, 15001, 15006, 15008, 15020, 15021, 15090]);

// Compared as numbers: an address has many spellings, and an IPv4 address also one in IPv6 ('::ffff:a9fe:a9fe').
const NEVER = new BlockList();
NEVER.addSubnet('169.254.0.0', 16, 'ipv4');
NEVER.addSubnet('0.0.0.0', 8, 'ipv4');
NEVER.addAddress('::', 'ipv6');
NEVER.addSubnet('fe80::', 10, 'ipv6');
// Where a cloud has its metadata service in IPv6.
NEVER.addAddress('fd00:ec2::254', 'ipv6');

interface NamedHost {
  readonly host: VirtualHost;
  readonly cluster: Cluster;
  /** Of the wildcard that it was made by; null: there was none. */
  readonly ruled: ClusterSpec | null;
}

export class Passthrough {
  /** Given after construction: the resolver asks this table which addresses are refused. */
  resolver: Resolver | null = null;
  private readonly shard: ShardContext;
  /** Is it a service of the mesh that this proxy does not import? */
  private readonly hides: (name: string, port: number) => boolean;
  private readonly ownPorts: () => readonly number[];
  /** What no request may be sent to, as the mesh knows it: by who says so, and how many say it of an address and port. */
  private readonly admins = new Map<string, string>();
  private readonly guarded = new Map<string, number>();
  private readonly hosts = new Map<string, NamedHost>();

  constructor(shard: ShardContext, hides: (name: string, port: number) => boolean, ownPorts: () => readonly number[]) {
    this.shard = shard;
    this.hides = hides;
    this.ownPorts = ownPorts;
  }

  /** `wildcard`: by which the registry knows it. */
  find(authority: string, wildcard: VirtualHost | null): VirtualHost | FailureCode {
    const { host, port: named } = splitAuthority(authority);
    const port = named || 80;
    const key = hostPort(host, port);
    const known = this.hosts.get(key);
    const { snapshot, options } = this.shard;
    if (this.hides(host, port)) return 'out_of_scope';
    if ((snapshot.outboundPolicy ?? options.outboundPolicy) === 'REGISTRY_ONLY' && wildcard === null) return BLOCK_ALL;
    const ruled = specOf(wildcard);
    if (known !== undefined) {
      this.hosts.delete(key);
      if (known.ruled === ruled) {
        this.hosts.set(key, known);
        return known.host;
      }
      known.cluster.dismiss();
    }
    const bare = withoutBrackets(host);
    if (isIP(bare) !== 0 && this.refuses(bare, port)) return 'address_refused';
    if (bare === 'localhost' && this.refuses('127.0.0.1', port)) return 'address_refused';
    const entry = this.make(bare, port, key, ruled);
    this.hosts.set(key, entry);
    if (this.hosts.size > MAX_HOSTS) this.forget(this.hosts.keys().next().value!);
    return entry.host;
  }

  /** This is asked for by people of the mesh, not through it. `key`: who says so; `admin`: 'address:port', null: nothing. */
  protect(key: string, admin: string | null): void {
    const before = this.admins.get(key) ?? null;
    if (before === admin) return;
    if (before !== null) this.guard(before, -1);
    if (admin === null) {
      this.admins.delete(key);
      return;
    }
    this.admins.set(key, admin);
    this.guard(admin, 1);
    const { port } = splitHostPort(admin);
    // What was found before may lead there.
    for (const [known, { host }] of this.hosts) if (host.port === port) this.forget(known);
  }

  /** Addresses that a name may not lead to either. */
  refuses(address: string, port: number): boolean {
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (NEVER.check(address, family)) return true;
    if (this.guarded.has(placeKey(address, port))) return true;
    if (!MESH_PORTS.has(port) && !this.ownPorts().includes(port)) return false;
    return thisMachine().check(address, family);
  }

  private guard(admin: string, by: 1 | -1): void {
    const { host, port } = splitHostPort(admin);
    if (isIP(host) === 0) return;
    const key = placeKey(host, port);
    const count = (this.guarded.get(key) ?? 0) + by;
    if (count === 0) this.guarded.delete(key);
    else this.guarded.set(key, count);
  }

  private forget(key: string): void {
    this.hosts.get(key)?.cluster.dismiss();
    this.hosts.delete(key);
  }

  private make(host: string, port: number, key: string, ruled: ClusterSpec | null): NamedHost {
    const spec: ClusterSpec = {
      name: 'PassthroughCluster',
      kind: 'passthrough',
      service: host,
      port,
      subset: '',
      labels: {},
      policy: ruled?.policy ?? DEFAULT_POLICY,
      dns: [{ host, port: ruled?.dns[0]?.port ?? port, weight: 1 }],
      tls: ruled === null ? null : namedTls(ruled, host),
      rule: ruled?.rule ?? '',
    };
    const cluster = new Cluster(spec, this.shard.random);
    cluster.resolve = this.resolver!.resolverOf(cluster);
    const { name: clusterName } = cluster;
    const route = plainRoute({
      name: 'allow_any',
      cluster,
      clusterName,
      chain: EMPTY_CHAIN,
      retry: PASSTHROUGH_RETRIES,
    });
    return {
      cluster,
      ruled,
      host: {
        name: key,
        domains: [key],
        service: host,
        port,
        asNamed: false,
        grpcWeb: false,
        unrouted: null,
        routes: [route],
      },
    };
  }
}

/** What the registry and rules say of the hosts of a wildcard. */
function specOf(wildcard: VirtualHost | null): ClusterSpec | null {
  const action = wildcard?.routes[0]?.action;
  return action?.type === 'forward' ? (action.targets[0].cluster?.spec ?? null) : null;
}

/** Where TLS is for the wildcard's name, it is for the one that was asked for. */
function namedTls({ tls, service }: ClusterSpec, host: string): EndpointTls | null {
  if (tls === null || tls.serverName !== service) return tls;
  const identities = tls.identities?.map((name) => (name === service ? host : name)) ?? null;
  return { ...tls, serverName: host, identities };
}

/** The same for every spelling of an address, and for an IPv4 address that is written as an IPv6 one. */
function placeKey(address: string, port: number): string {
  if (isIP(address) !== 6) return `${address} ${port}`;
  const plain = new URL(`http://[${address}]`).hostname;
  const mapped = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(plain);
  if (mapped === null) return `${plain} ${port}`;
  const [high, low] = [Number.parseInt(mapped[1], 16), Number.parseInt(mapped[2], 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255} ${port}`;
}

function thisMachine(): BlockList {
  const addresses = new BlockList();
  addresses.addSubnet('127.0.0.0', 8, 'ipv4');
  addresses.addAddress('::1', 'ipv6');
  for (const found of Object.values(networkInterfaces())) {
    for (const { address, family } of found ?? []) addresses.addAddress(address, family === 'IPv6' ? 'ipv6' : 'ipv4');
  }
  return addresses;
}
