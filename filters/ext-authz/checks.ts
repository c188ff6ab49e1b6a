// Which external authorizers a request is to be asked of: those of whose policies one matches. The host asks them, and lets the
// request go on or answers it. The configuration is interpreted where it lies; core/builtins/ext-authz/layout.ts draws it.

import { VERSION } from '../../core/builtins/ext-authz/layout';
import { Action, bytes, callForeign, Head, HttpFilter, Level, log, NOTHING, Slice } from '../sdk/index';
import { temporary } from '../sdk/arena';
import { cursor } from '../sdk/cursor';
import { beginRequest } from '../rbac/facts';
import { anyMatches } from '../rbac/rules';

const PROVIDERS = bytes('weft_ext_authz');
const CHECK = bytes('weft_check');

export class ExtAuthz extends HttpFilter {
  private configuration: Slice = NOTHING;
  private providers: usize = 0;
  private count: i32 = 0;

  onConfigure(configuration: Slice): bool {
    if (configuration.length < 8 || configuration.at(0) != VERSION) {
      log(Level.Error, 'the configuration is of another version than the filter');
      return false;
    }
    const length = load<u32>(configuration.ptr, 2);
    if (!callForeign(PROVIDERS, configuration.ptr + 6, length)) {
      log(Level.Error, 'this host asks no external authorizers: ext-authz runs in Weft only');
      return false;
    }
    const kept = configuration.keep();
    this.configuration = kept;
    const at = cursor(kept.ptr + 6 + length);
    this.count = at.u16();
    this.providers = at.position;
    return true;
  }

  onRetired(): void {
    if (this.configuration.length > 0) this.configuration.release();
  }

  onRequestHeaders(head: Head): Action {
    beginRequest(head, this.configuration.at(1) != 0);
    const asked = temporary(1 + 2 * this.count);
    store<u8>(asked, head.end ? 1 : 0);
    let end = asked + 1;
    const at = cursor(this.providers);
    for (let i = 0; i < this.count; i++) {
      const next = at.sized();
      // What is in doubt is asked about.
      if (anyMatches(at.position, true)) {
        store<u16>(end, i);
        end += 2;
      }
      at.position = next;
    }
    const length = <i32>(end - asked);
    if (length == 1) return Action.Continue;
    // A host that does not ask where it said that it would: nothing may pass unasked.
    if (!callForeign(CHECK, asked, length)) unreachable();
    return Action.Pause;
  }
}
