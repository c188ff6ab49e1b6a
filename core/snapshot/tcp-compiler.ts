// The table of what a proxy carries as bytes, made anew with every snapshot: it is small, and what it leads to is shared.

import type { Policies } from '../builtins/builtin.ts';
import { connectionAuthorization, rbac } from '../builtins/rbac/rbac.ts';
import { carriedPorts } from '../config/carried-servers.ts';
import { boundHost, hostCovers } from '../config/hosts.ts';
import type { GatewaySpec } from '../config/kinds/gateway.ts';
import type { Resource } from '../config/resource.ts';
import type { VirtualHost } from '../router/route.ts';
import type { TcpPort, TcpTable } from '../tcp/service.ts';
import type { Memo } from './memo.ts';
import { type CompiledHosts, NO_HOSTS } from './outbound-hosts.ts';
import type { RoutePart } from './route-parts.ts';
import { hasLabels } from './services.ts';
import { type CompiledTcp, GatewayPort, inboundPort, isCarried, type TcpScope, upstreamPort } from './tcp.ts';
import type { Rule } from './virtual-services.ts';

/** As compile.ts keeps what is made until all of it is. */
interface Staged {
  readonly before: CompiledHosts;
  readonly after: CompiledHosts;
  keep(): void;
}

/** The compile that is under way. */
export interface TcpStage {
  readonly staged: Staged[];
  readonly policies: Policies;
  readonly memo: Memo;
  /** Told of every part that is made. */
  made(part: RoutePart): void;
}

export interface TcpEnvironment extends Omit<TcpScope, 'gateway'> {
  /** VirtualServices for a gateway ('namespace/name'). */
  rulesAt(gateway: string): Iterable<Rule>;
}

export class TcpCompiler {
  private readonly environment: TcpEnvironment;
  private parts: CompiledHosts = NO_HOSTS;

  constructor(environment: TcpEnvironment) {
    this.environment = environment;
  }

  /** `inbound`: where requests for the application lead; `spoken`: what the registry says of its port, or ''. */
  stage(inbound: VirtualHost | null, spoken: string, { staged, made, policies, memo }: TcpStage): TcpTable {
    const { node } = this.environment;
    const parts: RoutePart[] = [];
    const keep = ({ port, part }: CompiledTcp): TcpPort => {
      parts.push(part);
      made(part);
      return port;
    };
    const upstreams = new Map<string, TcpPort>();
    for (const upstream of node.upstreams ?? []) {
      upstreams.set(upstream, keep(upstreamPort(upstream, { ...this.environment, gateway: 'mesh' })));
    }
    const gateways = new Map<number, TcpPort>();
    if (node.role === 'gateway') {
      for (const [number, port] of this.gatewayPorts(policies('Gateway'))) gateways.set(number, keep(port.compiled()));
    }
    const before = this.parts;
    const after = { hosts: [], parts };
    if (before.parts.length + parts.length > 0) staged.push({ before, after, keep: () => (this.parts = after) });
    const carried = isCarried(node, spoken) ? applicationPort(inbound) : null;
    const arrives = carried !== null || gateways.size > 0;
    const asked = arrives ? rbac.standing.kinds.flatMap((kind) => policies(kind)) : [];
    const { admission, observations } = memo.of('connections', [arrives, ...asked], () =>
      arrives ? connectionAuthorization(policies, node) : { admission: null, observations: null },
    );
    return { inbound: carried, admission, observations, upstreams, gateways };
  }

  private gatewayPorts(gateways: readonly Resource<GatewaySpec>[]): ReadonlyMap<number, GatewayPort> {
    const { environment } = this;
    const mine = gateways.filter(({ spec }) => hasLabels(environment.node.labels, spec.selector ?? {}));
    const carried = carriedPorts(mine.flatMap(({ spec }) => spec.servers ?? []));
    const ports = new Map<number, GatewayPort>();
    for (const { metadata, spec } of mine) {
      const gateway = `${metadata.namespace}/${metadata.name}`;
      const rules = [...environment.rulesAt(gateway)].sort((a, b) => (a.rank < b.rank ? -1 : 1));
      for (const { port, hosts } of spec.servers ?? []) {
        const as = carried.get(port.number);
        if (as === undefined) continue;
        const known = ports.get(port.number) ?? new GatewayPort(port.number, as === 'names');
        ports.set(port.number, known);
        for (const rule of rules) {
          const bound = hosts.flatMap(
            (host) => boundHost(host, metadata.namespace, rule.resource.metadata.namespace) ?? [],
          );
          known.add(rule, { ...environment, gateway }, (name) => sharedName(bound, name));
        }
      }
    }
    return ports;
  }
}

/** The narrower of a name and a server's hosts, where one covers the other. */
function sharedName(hosts: readonly string[], name: string): string | null {
  if (hosts.some((host) => hostCovers(host, name))) return name;
  return hosts.find((host) => hostCovers(name, host)) ?? null;
}

function applicationPort(inbound: VirtualHost | null): TcpPort | null {
  const action = inbound?.routes[0].action;
  const cluster = action?.type === 'forward' ? action.targets[0].cluster : null;
  return inbound === null || cluster === null ? null : inboundPort(inbound.service, inbound.port, cluster);
}
