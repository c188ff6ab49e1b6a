// The table of what a proxy carries as bytes, made anew with every snapshot: it is small, and what it leads to is shared.

import type { Policies } from '../builtins/builtin.ts';
import { connectionAdmission, rbac } from '../builtins/rbac/rbac.ts';
import type { VirtualHost } from '../router/route.ts';
import type { TcpService, TcpTable } from '../tcp/service.ts';
import type { Memo } from './memo.ts';
import { type CompiledHosts, NO_HOSTS } from './outbound-hosts.ts';
import type { RoutePart } from './route-parts.ts';
import { inboundService, isCarried, type TcpScope, upstreamService } from './tcp.ts';

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

export class TcpCompiler {
  private readonly scope: Omit<TcpScope, 'gateway'>;
  private parts: CompiledHosts = NO_HOSTS;

  constructor(scope: Omit<TcpScope, 'gateway'>) {
    this.scope = scope;
  }

  /** `inbound`: where requests for the application lead; `spoken`: what the registry says of its port, or ''. */
  stage(inbound: VirtualHost | null, spoken: string, { staged, made, policies, memo }: TcpStage): TcpTable {
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
    const carried = isCarried(node, spoken) ? applicationService(inbound) : null;
    const asked = carried === null ? [] : rbac.standing.kinds.flatMap((kind) => policies(kind));
    const admission = memo.of('admission', [carried === null, ...asked], () =>
      carried === null ? null : connectionAdmission(policies, node),
    );
    return { inbound: carried, admission, upstreams };
  }
}

function applicationService(inbound: VirtualHost | null): TcpService | null {
  const action = inbound?.routes[0].action;
  const cluster = action?.type === 'forward' ? action.targets[0].cluster : null;
  return inbound === null || cluster === null ? null : inboundService(inbound.service, inbound.port, cluster);
}
