// A connection to the application on behalf of a client that is silent and may be waiting for the other side's first word. Where the
// application speaks, its connection and what it said are the client's; where the client speaks first, nobody has lost anything.

import { retainBytes } from '../transport/read-buffer.ts';
import type { Transport, TransportOwner } from '../transport/transport.ts';
import type { TcpTable } from './service.ts';
import type { ConnectEnvironment } from './upstream-connect.ts';

/** Where the application is, and whether it can be asked. */
export interface GreetingEnvironment extends ConnectEnvironment {
  readonly snapshot: { readonly tcp: TcpTable };
}

/** `told`: called once, later. False: the application takes no connection, or says nothing and leaves. */
export function awaitGreeting(environment: GreetingEnvironment, told: (spoken: boolean) => void): Greeting | null {
  const { inbound, detected } = environment.snapshot.tcp;
  const endpoint = (inbound ?? detected)?.other.routes[0]?.targets[0].cluster?.endpoints[0];
  if (endpoint === undefined) return null;
  const greeting = new Greeting(environment, told);
  greeting.begin(
    environment.connect(
      endpoint,
      (upstream) => greeting.opened(upstream),
      () => greeting.tell(false),
      null,
    ),
  );
  return greeting;
}

/** To who carries the client's bytes from then on it is what connects to the application, once. */
export class Greeting implements TransportOwner, ConnectEnvironment {
  readonly timers: ConnectEnvironment['timers'];
  private readonly others: ConnectEnvironment;
  private told: ((spoken: boolean) => void) | null;
  private giveUp: (() => void) | null = null;
  private upstream: Transport | null = null;
  private first: Buffer | null = null;

  constructor(others: ConnectEnvironment, told: (spoken: boolean) => void) {
    this.timers = others.timers;
    this.others = others;
    this.told = told;
  }

  begin(giveUp: () => void): void {
    this.giveUp = giveUp;
  }

  opened(upstream: Transport): void {
    this.giveUp = null;
    if (this.told === null) {
      upstream.destroy();
      return;
    }
    this.upstream = upstream;
    upstream.start(this);
  }

  receive(piece: Buffer): void {
    if (this.upstream === null) return;
    retainBytes();
    this.first = piece;
    this.tell(true);
    // In the same turn, or nobody wants it.
    this.abandon();
  }

  tell(spoken: boolean): void {
    const { told } = this;
    this.told = null;
    told?.(spoken);
  }

  connect(...[endpoint, connected, failed, header]: Parameters<ConnectEnvironment['connect']>): () => void {
    const { upstream, first } = this;
    if (upstream === null || first === null) return this.others.connect(endpoint, connected, failed, header);
    this.upstream = null;
    this.first = null;
    connected(upstream);
    upstream.receive(first);
    return () => undefined;
  }

  /** Nobody waits for it any more. */
  abandon(): void {
    this.told = null;
    this.giveUp?.();
    this.giveUp = null;
    this.upstream?.destroy();
    this.upstream = null;
    this.first = null;
  }

  onEnd(): void {
    this.tell(false);
    this.abandon();
  }

  onDrain(): void {
    // Nothing was written.
  }

  onWriteFailed(): void {
    // Nothing was written.
  }

  onFinish(): void {
    // Nothing was written.
  }

  onClose(): void {
    this.upstream = null;
    this.tell(false);
  }
}
