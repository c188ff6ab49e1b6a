// A context as the instance that holds it sees it: who pays for its callbacks, and what it does when the guest dies. Types only.

import type { GuestContext, GuestPlugin } from '../abi/guest.ts';
import type { CallTimes } from './call-times.ts';
import type { FuelPayer, FuelRation } from './fuel.ts';

/** A plugin's root, one exchange in it, or one connection. */
export interface Context extends GuestContext, FuelPayer {
  readonly id: number;
  readonly plugin: TimedPlugin;
  /** The guest has died. `running`: in a callback of this very context. */
  abandon(running: boolean): void;
}

export interface TimedPlugin extends GuestPlugin {
  readonly ration: FuelRation;
  readonly times: CallTimes;
}

export type Callback = (...args: number[]) => number | undefined;

/** What the guest exports, looked up once; null = absent. */
export interface Callbacks {
  readonly contextCreate: Callback | null;
  readonly vmStart: Callback | null;
  readonly configure: Callback | null;
  readonly tick: Callback | null;
  readonly requestHeaders: Callback | null;
  readonly requestBody: Callback | null;
  readonly requestTrailers: Callback | null;
  readonly responseHeaders: Callback | null;
  readonly responseBody: Callback | null;
  readonly responseTrailers: Callback | null;
  readonly newConnection: Callback | null;
  readonly downstreamData: Callback | null;
  readonly upstreamData: Callback | null;
  readonly downstreamClose: Callback | null;
  readonly upstreamClose: Callback | null;
  readonly httpCallResponse: Callback | null;
  readonly grpcHead: Callback | null;
  readonly grpcMessage: Callback | null;
  readonly grpcTrailers: Callback | null;
  readonly grpcClosed: Callback | null;
  readonly queueReady: Callback | null;
  readonly foreignFunction: Callback | null;
  readonly done: Callback | null;
  readonly log: Callback | null;
  readonly delete: Callback | null;
}
