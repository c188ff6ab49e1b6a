// Who a request of the API comes from, as it was found out before anything of it was used. Types only.
import type { Origin } from '../../bus/types.ts';

/** Each may do what those before it may, too. */
export type Role = 'viewer' | 'operator' | 'admin';

export interface Grant {
  readonly role: Role;
  /** null: of the whole mesh. */
  readonly namespaces: readonly string[] | null;
}

/** Whom a token stands for. */
export interface Holder {
  /** What it changes is kept under this name. */
  readonly name: string;
  readonly grants: readonly Grant[];
  /** Ms of the epoch; null: it does not expire. */
  readonly expires: number | null;
}

export interface Caller extends Holder {
  readonly origin: Origin;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Of every request but those that anybody may make. */
    caller: Caller;
  }
}
