// rbac: AuthorizationPolicy and the roles of Istio before 1.6 at a workload. Denials first, then, if any policy allows, one of
// them has to match. Dry runs and audits are counted and told, and decide nothing. Facts of the request are fetched when a
// condition first asks for them. A fact that is not there satisfies no condition but a negated one.

import { VERSION } from '../../core/builtins/rbac/layout';
import { Action, bytes, Head, HttpFilter, Level, log, NOTHING, register, reply, Slice } from '../sdk/index';
import { beginRequest } from './facts';
import { Observations } from './observations';
import { anyMatches, behind, isEmpty, matchedRule } from './rules';

const CONTENT_TYPE = bytes('content-type');
const GRPC = bytes('application/grpc');
const BODY = bytes('RBAC: access denied');
const MATCHED = bytes('rbac_access_denied_matched_policy[');
const END = bytes(']]');
const NONE = bytes('rbac_access_denied_matched_policy[none]');
const PERMISSION_DENIED: i32 = 7;

class Rbac extends HttpFilter {
  private policies: Slice = NOTHING;
  // Places of the lists in it.
  private deny: usize = 0;
  private allow: usize = 0;
  /** Null when there is nothing to observe. */
  private observations: Observations | null = null;

  onConfigure(configuration: Slice): bool {
    if (configuration.length < 12 || configuration.at(0) != VERSION) {
      log(Level.Error, 'the configuration is of another version than the filter');
      return false;
    }
    this.policies = configuration.keep();
    this.deny = this.policies.ptr + 2;
    this.allow = behind(this.deny);
    const dryRunDeny = behind(this.allow);
    const dryRunAllow = behind(dryRunDeny);
    const audit = behind(dryRunAllow);
    if (isEmpty(dryRunDeny) && isEmpty(dryRunAllow) && isEmpty(audit)) return true;
    this.observations = new Observations(dryRunDeny, dryRunAllow, audit);
    return true;
  }

  onRetired(): void {
    if (this.policies.length > 0) this.policies.release();
  }

  onRequestHeaders(head: Head): Action {
    beginRequest(head, this.policies.at(1) != 0);
    const observations = this.observations;
    if (observations != null) observations.observe(head);
    if (anyMatches(this.deny, true)) return refuse(head, matchedRule(MATCHED, END));
    if (isEmpty(this.allow) || anyMatches(this.allow, false)) return Action.Continue;
    return refuse(head, NONE);
  }
}

function refuse(head: Head, details: Slice): Action {
  const calls = head.get(CONTENT_TYPE).startsWith(GRPC);
  reply(403, BODY, details, calls ? PERMISSION_DENIED : -1);
  return Action.Pause;
}

register(() => new Rbac());
