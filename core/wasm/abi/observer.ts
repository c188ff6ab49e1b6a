// Who watches a guest at work: what is tried out without a mesh shows what it did. Types only; without an observer nothing
// of this is on any path.

/** A host function's parameter as the guest meant it: a number, a text, or a header map's pairs. */
export type HostArgument = number | string | readonly (readonly [string, string])[];

export interface Observer {
  /**
   * The guest calls `name`; `args` reads its parameters, but for pointers to results. An observer without it costs the guest's calls
   * nothing.
   */
  hostCall?(name: string, args: () => readonly HostArgument[]): void;
  /** A callback begins. */
  entered?(callback: string): void;
  /** A callback has returned. `result` undefined: it returns nothing. `fuel`: units that it used; 0 when it is not metered. */
  returned(callback: string, result: number | undefined, fuel: number): void;
  /** A callback has thrown. `reason` is one line. */
  trapped(callback: string, reason: string): void;
  /** The host asked the guest for room for this many bytes. */
  allocated?(bytes: number): void;
  /** The guest logs; 0 trace .. 5 critical. */
  log(level: number, message: string): void;
  /** The guest asks for a property, segments joined by '.'. Bytes are given to it, undefined leaves it to the host. */
  property(path: string): Uint8Array | undefined;
}
