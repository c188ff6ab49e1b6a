// What policies would have done to connections that are no HTTP and are not enforced: AUDIT, and those that are only tried. Counted
// as the filter counts requests, by the same names, and told in the log, a few lines a second.

import { MetricType } from '../../wasm/abi/abi.ts';
import type { ForeignHost } from '../../wasm/abi/foreign.ts';
import { type ConnectionSubject, rulesOf } from './connection.ts';
import type { PolicyGroups } from './encoding.ts';

const COUNTERS = {
  audited: 'rbac.audited',
  denied: 'rbac.dry_run_deny.shadow_denied',
  undenied: 'rbac.dry_run_deny.shadow_allowed',
  allowed: 'rbac.dry_run_allow.shadow_allowed',
  unallowed: 'rbac.dry_run_allow.shadow_denied',
} as const;

export type Observation = keyof typeof COUNTERS;

/** Gets what a policy would have done; `line` null: nothing to tell of. */
export type Observe = (what: Observation, line: string | null) => void;

export type Observations = (subject: ConnectionSubject, observe: Observe) => void;

/** Null: there is nothing to observe. */
export function observationsOf({
  dryRunDeny,
  dryRunAllow,
  audit,
}: Omit<PolicyGroups, 'deny' | 'allow'>): Observations | null {
  if (dryRunDeny.length + dryRunAllow.length + audit.length === 0) return null;
  const denials = dryRunDeny.flatMap((policy) => rulesOf(policy, true));
  const grants = dryRunAllow.flatMap((policy) => rulesOf(policy, false));
  const audits = audit.flatMap((policy) => rulesOf(policy, true));
  return (subject, observe) => {
    const audited = audits.find(({ holds }) => holds(subject));
    if (audited !== undefined) observe('audited', `audit: ${audited.name} matches ${told(subject)}`);
    if (dryRunDeny.length > 0) {
      const denial = denials.find(({ holds }) => holds(subject));
      if (denial === undefined) observe('undenied', null);
      else observe('denied', `dry run: ${denial.name} would deny ${told(subject)}`);
    }
    if (dryRunAllow.length > 0) {
      if (grants.some(({ holds }) => holds(subject))) observe('allowed', null);
      else observe('unallowed', `dry run: no policy would allow ${told(subject)}`);
    }
  };
}

/** Of a principal in the log. */
const MOST = 256;

function told({ principal, remoteAddress, port }: ConnectionSubject): string {
  return `a connection to port ${port} from ${principal.slice(0, MOST) || remoteAddress}`;
}

const LINES_A_SECOND = 10;
const SECOND_MS = 1000;

/** Counts and tells, for one shard. */
export class ObservationLog {
  private readonly metrics: ForeignHost['metrics'];
  private readonly tell: (line: string) => void;
  private ids: Readonly<Record<Observation, number>> | null = null;
  private second = 0;
  private lines = 0;

  constructor(metrics: ForeignHost['metrics'], tell: (line: string) => void) {
    this.metrics = metrics;
    this.tell = tell;
  }

  /** `nowMs`: of a clock that does not jump. */
  observe(what: Observation, line: string | null, nowMs: number): void {
    this.ids ??= this.defined();
    this.metrics.count(this.ids[what]);
    if (line === null) return;
    const second = Math.floor(nowMs / SECOND_MS);
    if (second !== this.second) {
      this.second = second;
      this.lines = 0;
    }
    if (++this.lines <= LINES_A_SECOND) this.tell(line);
  }

  /** All of them at once, as the filter does it: the others are seen to be 0. */
  private defined(): Record<Observation, number> {
    const id = (what: Observation): number => this.metrics.define(MetricType.Counter, COUNTERS[what], 'rbac');
    return {
      ...{ audited: id('audited'), denied: id('denied'), undenied: id('undenied') },
      ...{ allowed: id('allowed'), unallowed: id('unallowed') },
    };
  }
}
