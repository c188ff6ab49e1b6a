// headers: removes, sets and adds headers of requests and responses, always the same ones. The configuration is interpreted
// where it lies; core/builtins/headers/layout.ts draws its bytes.

import { VERSION } from '../../core/builtins/headers/layout';
import { Action, Head, HttpFilter, Level, log, NOTHING, register, Slice } from '../sdk/index';
import { Cursor, cursor } from '../sdk/cursor';

/** The version, and three empty lists for either direction. */
const SMALLEST: i32 = 13;

class Headers extends HttpFilter {
  private changes: Slice = NOTHING;
  /** Where the changes of responses begin. */
  private response: usize = 0;

  onConfigure(configuration: Slice): bool {
    if (configuration.length < SMALLEST || configuration.at(0) != VERSION) {
      log(Level.Error, 'the configuration is of another version than the filter');
      return false;
    }
    this.changes = configuration.keep();
    const at = cursor(this.changes.ptr + 1);
    skip(at);
    this.response = at.position;
    return true;
  }

  onRetired(): void {
    if (this.changes.length > 0) this.changes.release();
  }

  onRequestHeaders(head: Head): Action {
    apply(head, cursor(this.changes.ptr + 1));
    return Action.Continue;
  }

  onResponseHeaders(head: Head): Action {
    apply(head, cursor(this.response));
    return Action.Continue;
  }
}

/** First what goes, so that what is added stays. */
function apply(head: Head, at: Cursor): void {
  for (let count = at.u16(); count > 0; count--) head.remove(at.text());
  for (let count = at.u16(); count > 0; count--) {
    const name = at.text();
    head.set(name, at.text());
  }
  for (let count = at.u16(); count > 0; count--) {
    const name = at.text();
    head.add(name, at.text());
  }
}

function skip(at: Cursor): void {
  for (let count = at.u16(); count > 0; count--) at.text();
  for (let count = at.u16() * 2; count > 0; count--) at.text();
  for (let count = at.u16() * 2; count > 0; count--) at.text();
}

register(() => new Headers());
