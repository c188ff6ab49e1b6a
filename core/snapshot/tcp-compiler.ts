// The table of what a proxy carries as bytes, made anew with every snapshot: it is small, and what it leads to is shared.

import type { VirtualHost } from '../router/route.ts';
import type { TcpService, TcpTable } from '../tcp/service.ts';
import { type CompiledHosts, NO_HOSTS } from './outbound-hosts.ts';
import type { RoutePart } from './route-parts.ts';
import { inboundService, isCarried, type TcpScope, upstreamService } from './tcp.ts';

/** As compile.ts keeps what is made until all of it is. */
interface Staged {
  readonly before: CompiledHosts;
  readonly after: CompiledHosts;
  keep(): void;
}

export class TcpCompiler {
  private readonly scope: Omit<TcpScope, 'gateway'>;
  private parts: CompiledHosts = NO_HOSTS;

  constructor(scope: Omit<TcpScope, 'gateway'>) {
    this.scope = scope;
  }

  /** `inbound`: where requests for the application lead; `spoken`: what the registry says of its port, or ''. */
  stage(inbound: VirtualHost | null, spoken: string, staged: Staged[], made: (part: RoutePart) => void): TcpTable {
    const { node } = this.scope;
    const upstreams = new Map<string, TcpService>();
    const parts: RoutePart[] = [];
    for (const upstream of node.upstreams ?? []) {
      const { service, part } = upstreamService(upstream, { ...this.scope, gateway: 'mesh' });
      upstreams.set(upstream, service);
      parts.push(part);
      made(part);
    }
    const before = this.parts;
    const after = { hosts: [], parts };
    if (before.parts.length + parts.length > 0) staged.push({ before, after, keep: () => (this.parts = after) });
    return { inbound: isCarried(node, spoken) ? applicationService(inbound) : null, upstreams };
  }
}

function applicationService(inbound: VirtualHost | null): TcpService | null {
  const action = inbound?.routes[0].action;
  const cluster = action?.type === 'forward' ? action.targets[0].cluster : null;
  return inbound === null || cluster === null ? null : inboundService(inbound.service, inbound.port, cluster);
}
