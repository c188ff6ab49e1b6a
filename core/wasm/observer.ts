// Who watches a guest at work: what is tried out without a mesh shows what it did. Types only; without an observer nothing
// of this is on any path.

/** A host function's parameter as the guest meant it: a number, a text, or a header map's pairs. */
export type HostArgument = number | string | readonly (readonly [string, string])[];

export interface Observer {
  /** The guest calls `name`; pointers for results are left out. */
  hostCall(name: string, args: readonly HostArgument[]): void;
  /** A callback has returned. `result` undefined: it returns nothing. */
  returned(callback: string, result: number | undefined): void;
  /** A callback has thrown. `reason` is one line. */
  trapped(callback: string, reason: string): void;
  /** The guest logs; 0 trace .. 5 critical. */
  log(level: number, message: string): void;
  /** The guest asks for a property, segments joined by '.'. Bytes are given to it, undefined leaves it to the host. */
  property(path: string): Uint8Array | undefined;
}
