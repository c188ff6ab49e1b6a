// What is counted of each command of one service. A command's metrics are made when it is first seen; where there is no room for
// more of them, it counts among the others.

import { Counter, Histogram } from '../sdk/index';
import { Names, OTHER } from './names';

/** The host's answer where there is no room. */
const NO_METRIC: u32 = u32.MAX_VALUE;

@unmanaged
export class CommandCounts {
  total: Counter;
  /** Null: not counted by itself. */
  success: Counter | null;
  error: Counter;
  latency: Histogram;
}

export abstract class Counts {
  private readonly names: Names;
  /** A CommandCounts each; 0: not seen yet. */
  private readonly known: StaticArray<usize>;

  constructor(names: Names) {
    this.names = names;
    this.known = new StaticArray<usize>(names.count);
  }

  /** What is counted of a command that is called so. */
  abstract make(command: string): CommandCounts;

  /** Others have their place before there is none. */
  begin(): void {
    this.of(OTHER);
  }

  of(command: i32): CommandCounts {
    const known = this.known[command];
    if (known != 0) return changetype<CommandCounts>(known);
    let made = this.make(this.names.nameOf(command));
    const success = made.success;
    const crowded =
      made.total.define() == NO_METRIC ||
      made.error.define() == NO_METRIC ||
      made.latency.define() == NO_METRIC ||
      (success != null && success.define() == NO_METRIC);
    if (crowded && command != OTHER) made = this.of(OTHER);
    this.known[command] = changetype<usize>(made);
    return made;
  }
}

export function commandCounts(total: Counter, success: Counter | null, error: Counter, latency: Histogram): CommandCounts {
  const made = changetype<CommandCounts>(heap.alloc(offsetof<CommandCounts>()));
  made.total = total;
  made.success = success;
  made.error = error;
  made.latency = latency;
  return made;
}
