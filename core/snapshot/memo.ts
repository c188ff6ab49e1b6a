// Structure shared between snapshots: a piece is compiled again only when one of the things that it was made of is
// another object than last time.

export class Memo {
  private current = new Map<string, Entry>();
  private next = new Map<string, Entry>();

  /** The piece under `key`, made anew only if `inputs` differ from last time (compared by identity, in order). */
  of<T>(key: string, inputs: readonly unknown[], make: () => T): T {
    const known = this.next.get(key) ?? this.current.get(key);
    const entry = known !== undefined && same(known.inputs, inputs) ? known : { inputs, output: make() };
    this.next.set(key, entry);
    return entry.output as T;
  }

  /** The compile succeeded: forget what it did not ask for. */
  commit(): void {
    this.current = this.next;
    this.next = new Map();
  }

  /** The compile failed: forget what it made. */
  rollback(): void {
    this.next = new Map();
  }
}

interface Entry {
  readonly inputs: readonly unknown[];
  readonly output: unknown;
}

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
