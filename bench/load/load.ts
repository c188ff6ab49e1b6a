// What a load generator is, and what it sends. Types only.

export interface Traffic {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly requestBodyBytes: number;
  /** null: as many as the first answer has. */
  readonly responseBodyBytes: number | null;
  readonly connections: number;
  /** Beside Host. */
  readonly headers: Readonly<Record<string, string>>;
  /** Each request on a connection of its own. */
  readonly fresh: boolean;
  /** What goes over a connection. `messages`: there and back, as long as `requestBodyBytes`; `handshakes`: TLS and nothing else. */
  readonly as: 'requests' | 'websocket-messages' | 'grpc-messages' | 'full-handshakes' | 'resumed-handshakes';
  /** At a time on each connection of HTTP/2. */
  readonly streams: number;
}

/** Keeps all connections busy all the time: what a request costs, and how many there can be. */
export interface ClosedLoop {
  readonly name: string;
  missing(): string | null;
  version(): string;
  /** Rejects when it cannot run at all. */
  run(origin: string, traffic: Traffic, seconds: number): Promise<ClosedFigures>;
}

export interface ClosedFigures {
  readonly requests: number;
  readonly seconds: number;
  /** Failed connects, reads and writes, time-outs, and answers of 400 and above; our own generator also counts answers that are not as long as the first. */
  readonly errors: number;
}

/** Sends at times that were fixed beforehand, whatever the answers do: how long somebody waits who comes at such a time. */
export interface OpenLoop {
  run(origin: string, traffic: Traffic, perSecond: number, seconds: number): Promise<OpenFigures>;
}

export interface OpenFigures {
  /** From the time at which each was to be sent to the end of its answer, failed ones too. */
  readonly latenciesMicros: readonly number[];
  /** How late the generator itself was to send, at its 99th percentile: contained in the latencies. */
  readonly lateP99Micros: number;
  readonly errors: number;
}

/** `patient`: counts requests that take long to the end of the last, which wrk does not. */
export type ClosedName = 'wrk' | 'patient' | 'h2load' | 'messages' | 'handshakes';

export interface Loads {
  readonly closed: Readonly<Record<ClosedName, ClosedLoop>>;
  readonly open: OpenLoop;
}
