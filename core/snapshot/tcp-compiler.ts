// The table of what a proxy carries as bytes, made anew with every snapshot: it is small, and what it leads to is shared.

import type { Policies } from '../builtins/builtin.ts';
import type { BuiltinName } from '../builtins/order.ts';
import { connectionAuthorization, rbac } from '../builtins/rbac/rbac.ts';
import { carriedPorts, passesOn } from '../config/carried-servers.ts';
import { boundHost, hostCovers } from '../config/hosts.ts';
import type { GatewaySpec } from '../config/kinds/gateway.ts';
import type { Resource } from '../config/resource.ts';
import type { VirtualHost } from '../router/route.ts';
import type { Steps } from '../steps.ts';
import type { TcpPort, TcpTable } from '../tcp/service.ts';
import { AutoPassthrough, type PassedTo, type PassingServer } from './auto-passthrough.ts';
import type { Memo } from './memo.ts';
import { type CompiledHosts, NO_HOSTS } from './outbound-hosts.ts';
import type { RoutePart } from './route-parts.ts';
import { hasLabels } from './services.ts';
import { type CompiledTcp, GatewayPort, inboundPort, spokenBy, type TcpScope, upstreamPort } from './tcp.ts';
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
  /** See TcpTable. */
  readonly detectMs: number;
  /** Hosts of services that are others, or are shaped otherwise. */
  readonly concerned: Iterable<string>;
}

/** What a request passes and a connection passes as well: policies are held against both. */
const HELD_AGAINST_BOTH: readonly string[] = ['rbac', 'ext-authz'] satisfies BuiltinName[];

export interface TcpEnvironment extends Omit<TcpScope, 'gateway' | 'services'>, PassedTo {
  readonly services: TcpScope['services'] & PassedTo['services'];
  /** VirtualServices for a gateway ('namespace/name'). */
  rulesAt(gateway: string): Iterable<Rule>;
}

export class TcpCompiler {
  private readonly environment: TcpEnvironment;
  private readonly auto: AutoPassthrough;
  private parts: CompiledHosts = NO_HOSTS;

  constructor(environment: TcpEnvironment) {
    this.environment = environment;
    this.auto = new AutoPassthrough(environment);
  }

  /** `inbound`: where requests for the application lead; `spoken`: what the registry says of its port, or ''. */
  *stage(inbound: VirtualHost | null, spoken: string, stage: TcpStage): Steps<TcpTable> {
    const { node } = this.environment;
    const { staged, made, policies, memo, detectMs } = stage;
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
      const mine = policies('Gateway').filter(({ spec }) => hasLabels(node.labels, spec.selector ?? {}));
      const passed = yield* this.auto.stage(passingServers(mine), stage.concerned);
      if (passed.staged !== null) staged.push(passed.staged);
      for (const part of passed.staged?.after.parts ?? []) made(part);
      for (const [number, port] of this.gatewayPorts(mine))
        gateways.set(number, keep(port.compiled(passed.at(number))));
    }
    const before = this.parts;
    const after = { hosts: [], parts };
    if (before.parts.length + parts.length > 0) staged.push({ before, after, keep: () => (this.parts = after) });
    const speaks = spokenBy(node, spoken);
    const carried = speaks === 'bytes' ? applicationPort(inbound) : null;
    const detected = speaks === 'unknown' && !guarded(inbound) ? applicationPort(inbound) : null;
    const arrives = carried !== null || detected !== null || gateways.size > 0;
    const asked = arrives ? rbac.standing.kinds.flatMap((kind) => policies(kind)) : [];
    const { admission, observations } = memo.of('connections', [arrives, ...asked], () =>
      arrives ? connectionAuthorization(policies, node) : { admission: null, observations: null },
    );
    return { inbound: carried, detected, detectMs, admission, observations, upstreams, gateways };
  }

  private gatewayPorts(mine: readonly Resource<GatewaySpec>[]): ReadonlyMap<number, GatewayPort> {
    const { environment } = this;
    const carried = carriedPorts(mine.flatMap(({ spec }) => spec.servers ?? []));
    const ports = new Map<number, GatewayPort>();
    for (const { metadata, spec } of mine) {
      const gateway = `${metadata.namespace}/${metadata.name}`;
      const rules = [...environment.rulesAt(gateway)].sort((a, b) => (a.rank < b.rank ? -1 : 1));
      for (const server of spec.servers ?? []) {
        const { port, hosts } = server;
        const as = carried.get(port.number);
        if (as === undefined) continue;
        const known = ports.get(port.number) ?? new GatewayPort(port.number, as === 'names');
        ports.set(port.number, known);
        for (const rule of passesOn(server) ? [] : rules) {
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

function passingServers(gateways: readonly Resource<GatewaySpec>[]): PassingServer[] {
  return gateways.flatMap(({ metadata, spec }) =>
    (spec.servers ?? [])
      .filter(passesOn)
      .map(({ port, hosts }) => ({ port: port.number, hosts, owner: metadata.namespace })),
  );
}

/** The narrower of a name and a server's hosts, where one covers the other. */
function sharedName(hosts: readonly string[], name: string): string | null {
  if (hosts.some((host) => hostCovers(host, name))) return name;
  return hosts.find((host) => hostCovers(name, host)) ?? null;
}

/** Filters of its own would be passed by who is not taken for HTTP. */
function guarded(inbound: VirtualHost | null): boolean {
  return (
    inbound?.routes.some(({ chain }) => chain.filters.some(({ name }) => !HELD_AGAINST_BOTH.includes(name))) ?? true
  );
}

function applicationPort(inbound: VirtualHost | null): TcpPort | null {
  const action = inbound?.routes[0].action;
  const cluster = action?.type === 'forward' ? action.targets[0].cluster : null;
  return inbound === null || cluster === null ? null : inboundPort(inbound.service, inbound.port, cluster);
}
