// What policies would have done that are not enforced: counted, and told in the log, a few lines a second.

import { ATTRIBUTE_PRINCIPAL } from '../../core/builtins/rbac/layout';
import { counter, Level, logBytes, logs } from '../sdk/index';
import { proxy_get_current_time_nanoseconds } from '../sdk/abi';
import { temporary } from '../sdk/arena';
import { Head, METHOD, PATH } from '../sdk/head';
import { bytes, concat, Slice, slice } from '../sdk/slice';
import { valueOf } from './facts';
import { anyMatches, isEmpty, matchedRule } from './rules';

const LINES_A_SECOND = 10;
const SECOND: u64 = 1000000000;
/** Of a path or principal in the log. */
const MOST = 256;

const AUDITED = counter('rbac.audited');
const DENY_DENIED = counter('rbac.dry_run_deny.shadow_denied');
const DENY_ALLOWED = counter('rbac.dry_run_deny.shadow_allowed');
const ALLOW_ALLOWED = counter('rbac.dry_run_allow.shadow_allowed');
const ALLOW_DENIED = counter('rbac.dry_run_allow.shadow_denied');

const AUDIT = bytes('audit: ');
const MATCHES = bytes('] matches ');
const DRY_RUN = bytes('dry run: ');
const DENIES = bytes('] would deny ');
const NOBODY = bytes('dry run: no policy would allow ');
const SPACE = bytes(' ');
const FROM = bytes(' from ');
const UNKNOWN = bytes('an unknown caller');

export class Observations {
  private second: u64 = 0;
  private lines: i32 = 0;

  /** Places of the lists of policies. */
  constructor(
    private readonly dryRunDeny: usize,
    private readonly dryRunAllow: usize,
    private readonly audit: usize,
  ) {
    AUDITED.define();
    DENY_DENIED.define();
    DENY_ALLOWED.define();
    ALLOW_ALLOWED.define();
    ALLOW_DENIED.define();
  }

  observe(head: Head): void {
    if (anyMatches(this.audit, true)) {
      AUDITED.add();
      if (this.mayTell()) tell(matchedRule(AUDIT, MATCHES), head);
    }
    if (!isEmpty(this.dryRunDeny)) {
      const denied = anyMatches(this.dryRunDeny, true);
      (denied ? DENY_DENIED : DENY_ALLOWED).add();
      if (denied && this.mayTell()) tell(matchedRule(DRY_RUN, DENIES), head);
    }
    if (!isEmpty(this.dryRunAllow)) {
      const allowed = anyMatches(this.dryRunAllow, false);
      (allowed ? ALLOW_ALLOWED : ALLOW_DENIED).add();
      if (!allowed && this.mayTell()) tell(NOBODY, head);
    }
  }

  private mayTell(): bool {
    if (!logs(Level.Info)) return false;
    const out = temporary(8);
    proxy_get_current_time_nanoseconds(out);
    const second = load<u64>(out) / SECOND;
    if (second != this.second) {
      this.second = second;
      this.lines = 0;
    }
    return ++this.lines <= LINES_A_SECOND;
  }
}

function tell(what: Slice, head: Head): void {
  const method = head.get(METHOD).part(0, MOST);
  const path = withoutQuery(head.get(PATH)).part(0, MOST);
  const known = valueOf(ATTRIBUTE_PRINCIPAL, slice(0, 0));
  const caller = known.exists ? known.part(0, MOST) : UNKNOWN;
  const asked = concat(concat(method, SPACE), concat(path, FROM));
  logBytes(Level.Info, concat(concat(what, asked), caller));
}

/** Tokens may stand in a query. */
function withoutQuery(path: Slice): Slice {
  const query = path.indexOf(0x3f);
  return query < 0 ? path : path.part(0, query);
}
