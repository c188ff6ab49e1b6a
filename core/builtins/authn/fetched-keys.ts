// The key sets that a shard has got from the main thread, which fetches them. A set whose text did not change is the same
// object: what was verified with it stays verified.

import { KeySet } from './key-set.ts';
import type { RemoteKeys } from './rules.ts';

interface Known {
  readonly text: string;
  readonly set: KeySet;
}

export class FetchedKeys implements RemoteKeys {
  private readonly known = new Map<string, Known>();
  private readonly asked = new Set<string>();
  private readonly ask: (source: string) => void;

  /** `ask`: fetch this source early. Not called again for a source until its keys have come. */
  constructor(ask: (source: string) => void) {
    this.ask = ask;
  }

  /** The keys of a source as of now; null: nobody refers to it any more. Throws on what is no key set. */
  learn(source: string, text: string | null): void {
    this.asked.delete(source);
    if (text === null) this.known.delete(source);
    else if (this.known.get(source)?.text !== text) this.known.set(source, { text, set: new KeySet(text) });
  }

  current(source: string): KeySet | null {
    return this.known.get(source)?.set ?? null;
  }

  missing(source: string): void {
    if (this.asked.has(source)) return;
    this.asked.add(source);
    this.ask(source);
  }
}
