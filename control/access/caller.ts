// Who a request of the API comes from, as it was found out before anything of it was used. Types only.
import type { Origin } from '../../bus/types.ts';

export interface Caller {
  /** Of its token. What it changes is kept under this name, whatever it calls itself. */
  readonly name: string;
  readonly origin: Origin;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Of every request but those that anybody may make. */
    caller: Caller;
  }
}
