// What is thrown through a guest to end it, by the host functions that it called.

/** The guest ended itself (proc_exit). */
export class GuestExit extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exited with code ${code}`);
    this.code = code;
  }
}

/** A host function was called where it may not be. */
export class CallForbidden extends Error {}

/** Its fuel is spent: the host has done too much for it. */
export class FuelSpent extends Error {}

/** The guest grew past its cap. */
export class MemoryCapExceeded extends Error {}
