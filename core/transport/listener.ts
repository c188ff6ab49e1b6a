// Accepts connections for a shard: one server per listener, several shards on one port by SO_REUSEPORT. What is accepted
// shows first whether it speaks TLS, where that may be, and for whom; then it passes the listener's network filters and goes to who
// serves it.

import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import type { ExchangeRecord } from '../exchange/record.ts';
import { hostPort } from '../host-port.ts';
import { filterConnection } from '../tcp/filtered-connection.ts';
import type { Greeting } from '../tcp/greeting.ts';
import type { NetworkFilterFactory } from '../tcp/network-filter.ts';
import { Arrival, beginsTls } from './arrival.ts';
import type { ListenerCounts } from './listener-counts.ts';
import type { ListenerSpec, MtlsMode } from './listener-spec.ts';
import { CertifiedPeers } from './peers.ts';
import { type Origin, readProxyHeader } from './proxy-header.ts';
import { nextConnectionId, SocketTransport } from './socket-transport.ts';
import { readClientHello } from './tls/client-hello.ts';
import type { Secured } from './tls/handshakes.ts';
import { greetsMesh, type InboundTls, principalOf } from './tls/inbound.ts';
import { resetBelow } from './tls/reset.ts';
import type { Terminators } from './tls/terminators.ts';
import type { PeerTable, TlsFacts, Transport } from './transport.ts';

/** What a listener asks of the data plane behind it. */
export interface ListenerEnvironment {
  readonly spec: ListenerSpec;
  readonly counts: ListenerCounts;
  /** Whether other shards listen at the same address. */
  readonly reusePort: boolean;
  /** How long a client may take until it has said whom it asks for, where it has to speak TLS. */
  readonly handshakeMs: number;
  /** Who connects from where. */
  readonly peers: PeerTable;
  readonly greet: Greeter;
  log(level: 'error' | 'warning', component: 'listener', message: string): void;
}

/** A connection that is served, to the listener that accepted it. */
export interface ServedConnection {
  /**
   * Graceful: finishes what is open, says with the next answer that it closes, and closes. Where nothing is open it is waited
   * `graceMs` for a request that is on its way and that nobody would send again.
   */
  drain(graceMs: number): void;
  destroy(): void;
  /** What is known of one that is carried as bytes; null: not yet. Left out: its requests have records of their own. */
  readonly exchange?: ExchangeRecord | null;
  /** Called once, when it is no more. */
  onClosed: (() => void) | null;
}

/** What becomes of an accepted connection. */
export type ServeConnection = (transport: Transport, greeting: Greeting | null) => ServedConnection;

/** What to listen to, while a client is silent, for the application's first word; null: nothing. See tcp/greeting.ts. */
export type Greeter = (told: (spoken: boolean) => void) => Greeting | null;

const NOTHING = Buffer.alloc(0);
/** Connections of one shard on one listener, above which new ones are refused at once. */
const MAX_CONNECTIONS = 50_000;
/** How long a connection that is no longer taken is waited for a request that is on its way. */
const REFUSED_GRACE_MS = 1_000;
/** How long a client may be silent before its first byte, where it may speak plain text. */
const SILENT_MS = 60_000;
/** Connections that are turned away are told of once in so long, each reason by itself. */
const TOLD_AGAIN_MS = 60_000;
const MAX_REASONS = 50;

export class Listener {
  readonly spec: ListenerSpec;
  /** What a connection passes before the codec, in the order of what a client sends. */
  networkFilters: readonly NetworkFilterFactory[] = [];
  /** Null: it has no certificate. */
  tls: InboundTls | null = null;
  /** Where the application may be the one that speaks first: after how much silence it is listened to. 0: it is not. */
  greetMs = 0;
  /** The application may speak TLS itself: who does not say in the hello that it is of the mesh is for it, where plain text is. */
  ownTls = false;
  /** Every connection begins with a header of the PROXY protocol. */
  proxyProtocol = false;
  readonly counts: ListenerCounts;
  private mode: MtlsMode = 'DISABLE';
  private ends: Terminators | null = null;
  private readonly environment: ListenerEnvironment;
  private readonly serve: ServeConnection;
  private readonly server: Server;
  /** What is served, and what its handshake has shown; undefined: nobody knows yet. */
  private readonly connections = new Map<ServedConnection, TlsFacts | null | undefined>();
  private readonly told = new Map<string, number>();
  /** Above 0 once it drains. */
  private graceMs = 0;
  private onEmpty: (() => void) | null = null;

  constructor(environment: ListenerEnvironment, serve: ServeConnection) {
    const { spec } = environment;
    this.environment = environment;
    this.spec = spec;
    this.counts = environment.counts;
    this.serve = serve;
    this.server = createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true }, (socket) =>
      this.accept(socket),
    );
    this.server.on('error', (error) => environment.log('error', 'listener', `${spec.name}: ${error.message}`));
  }

  get activeConnections(): number {
    return this.connections.size;
  }

  get mtls(): MtlsMode {
    return this.mode;
  }

  /** From now on. Connections that would no longer be taken finish what they have begun. */
  set mtls(mode: MtlsMode) {
    if (mode === this.mode) return;
    this.mode = mode;
    for (const [connection, tls] of this.connections) {
      if (tls !== undefined && !this.takes(tls !== null)) connection.drain(REFUSED_GRACE_MS);
    }
  }

  /** What ends TLS here, which whoever comes then has to speak; null: nothing does. */
  get terminators(): Terminators | null {
    return this.ends;
  }

  /** From now on. Connections that are of none of them finish what they have begun. */
  set terminators(ends: Terminators | null) {
    if (ends === this.ends) return;
    this.ends = ends;
    for (const [connection, tls] of this.connections) {
      const stays = ends === null ? tls === null : tls?.server !== undefined && ends.has(tls.server);
      if (tls !== undefined && !stays) connection.drain(REFUSED_GRACE_MS);
    }
  }

  /** Resolves when connections are accepted; rejects when the address cannot be bound. */
  open(): Promise<void> {
    const { address: host, port } = this.spec;
    const { reusePort } = this.environment;
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port, reusePort, backlog: 4096 }, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
  }

  /**
   * Connections are accepted for `acceptMs`, while the news that this listener goes travels, and as long as one is open until
   * `graceMs` are over; each is told to close with its next answer. Resolves when the last one has finished what it had begun.
   */
  async drain(acceptMs: number, graceMs: number): Promise<void> {
    this.graceMs = Math.max(1, graceMs);
    for (const connection of this.connections.keys()) connection.drain(graceMs);
    await delay(acceptMs);
    if (graceMs > acceptMs) await this.empty(graceMs - acceptMs);
    // Connections that the system has completed already are accepted before the socket closes.
    await delay(10);
    // On a busy loop the time alone is no turn: right after the sockets were looked at, none is queued.
    await turn();
    this.server.close();
    await this.empty();
  }

  /** No connection is open, or the time is over. */
  private empty(ms?: number): Promise<void> {
    if (this.connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.onEmpty = resolve;
      if (ms !== undefined) setTimeout(resolve, ms).unref();
    });
  }

  close(): void {
    this.server.close();
    for (const connection of [...this.connections.keys()]) connection.destroy();
  }

  private accept(socket: Socket): void {
    if (this.connections.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    if (!this.proxyProtocol) {
      this.came(socket);
      return;
    }
    const arrival: Arrival = new Arrival(socket, this.environment.handshakeMs, (bytes) => this.proxied(arrival, bytes));
    this.hold(arrival, undefined);
  }

  /** The proxy in front has said for whom it is. */
  private proxied(arrival: Arrival, bytes: Buffer): boolean {
    const { socket } = arrival;
    const header = readProxyHeader(bytes);
    if (header === 'more') return false;
    if (header === null) {
      this.counts.proxyRefused++;
      this.refuse(socket, 'it begins with no header of the PROXY protocol, which is asked for here');
      return true;
    }
    this.letGo(arrival);
    this.came(socket, header.origin, bytes.subarray(header.length));
    return true;
  }

  /** `first`: what was read of it already. */
  private came(socket: Socket, origin: Origin | null = null, first: Buffer = NOTHING): void {
    if (this.ends !== null) {
      if (first.length > 0) socket.unshift(first);
      const arrival: Arrival = new Arrival(socket, this.environment.handshakeMs, (bytes) =>
        this.asked(arrival, bytes, origin),
      );
      this.hold(arrival, undefined);
      socket.resume();
      return;
    }
    if (this.mode === 'DISABLE' || (this.mode === 'PERMISSIVE' && this.tls === null)) {
      this.begin(socket, first.length === 0 ? null : first, null, null, origin);
      return;
    }
    // Where all of them are in TLS, the client is first.
    const afterMs = this.mode === 'STRICT' ? 0 : this.greetMs;
    const silence = afterMs === 0 ? null : { afterMs, begin: () => this.silent(arrival) };
    const { handshakeMs } = this.environment;
    const arrived = (bytes: Buffer): boolean => this.arrived(arrival, bytes);
    const arrival: Arrival = new Arrival(socket, SILENT_MS, arrived, silence, handshakeMs);
    this.hold(arrival, undefined);
  }

  /** The first to speak says what it is. */
  private silent(arrival: Arrival): Greeting | null {
    const greeting = this.environment.greet((spoken) => {
      // The mode may have changed since it came.
      if (!this.takes(false)) return;
      arrival.keepBeside();
      this.letGo(arrival);
      this.begin(arrival.socket, null, null, spoken ? greeting : null);
    });
    return greeting;
  }

  /** Says which server it is for, once it has said for which name it comes. */
  private asked(arrival: Arrival, bytes: Buffer, origin: Origin | null): boolean {
    const { socket } = arrival;
    const hello = readClientHello(bytes);
    if (hello === 'more') return false;
    if (hello === null) {
      this.counts.plainRefused++;
      this.refuse(socket, 'it speaks no TLS, which is asked for here');
      return true;
    }
    const terminator = this.ends?.names.find(hello.serverName) ?? null;
    const fault =
      terminator === null
        ? 'no server here is for the name that it asks for'
        : terminator.fault !== ''
          ? `${terminator.server.label}: ${terminator.fault}`
          : '';
    if (fault !== '') {
      this.counts.handshakesFailed++;
      this.refuse(socket, fault, hello.serverName);
      return true;
    }
    socket.unshift(bytes);
    terminator!.accept(socket, (secured) => this.shaken(arrival, secured, origin));
    return true;
  }

  private arrived(arrival: Arrival, first: Buffer): boolean {
    const { tls } = this;
    const { socket } = arrival;
    const meant = this.meant(first);
    if (meant === 'more') return false;
    if (meant === 'application') {
      // The mode may have changed since it came.
      if (this.takes(false)) {
        this.letGo(arrival);
        this.begin(socket, first, null);
      } else {
        this.counts.plainRefused++;
        this.refuse(socket, 'it speaks plain text, and mutual TLS is STRICT here');
      }
      return true;
    }
    if (tls === null) {
      this.counts.handshakesFailed++;
      this.refuse(socket, 'it speaks TLS, and this workload has no certificate yet');
      return true;
    }
    socket.unshift(first);
    tls.accept(socket, (secured) => this.shaken(arrival, secured));
    return true;
  }

  /** For whom what has come is. */
  private meant(first: Buffer): 'mesh' | 'application' | 'more' {
    if (!beginsTls(first) || this.mode === 'DISABLE') return 'application';
    if (this.mode === 'STRICT' || !this.ownTls) return 'mesh';
    const hello = readClientHello(first);
    if (hello === 'more') return hello;
    return hello !== null && greetsMesh(hello.protocols) ? 'mesh' : 'application';
  }

  private shaken(arrival: Arrival, secured: Secured, origin: Origin | null = null): void {
    const { socket } = arrival;
    if (secured.socket === null) {
      this.counts.handshakesFailed++;
      this.tellRefused(socket, secured.reason);
      return;
    }
    this.counts.handshakes++;
    this.letGo(arrival);
    resetBelow(secured.socket, socket);
    this.begin(secured.socket, null, secured.tls, null, origin);
  }

  /** Whether a connection in TLS, or in plain text, may be here. */
  private takes(secured: boolean): boolean {
    return this.mode === 'PERMISSIVE' || (this.mode === 'STRICT') === secured;
  }

  /** As Envoy where no filter chain matches: it is closed, and nothing is said to it. */
  private refuse(socket: Socket, reason: string, name = ''): void {
    this.tellRefused(socket, reason, name);
    socket.destroy();
  }

  private tellRefused({ remoteAddress, remotePort }: Socket, reason: string, name = ''): void {
    const now = performance.now();
    if (now - (this.told.get(reason) ?? Number.NEGATIVE_INFINITY) < TOLD_AGAIN_MS) return;
    if (this.told.size >= MAX_REASONS) this.told.clear();
    this.told.set(reason, now);
    const from = remoteAddress === undefined ? '' : ` from ${hostPort(remoteAddress, remotePort ?? 0)}`;
    const wanted = name === '' ? '' : ` for ${name}`;
    const line = `${this.spec.name}: a connection${from}${wanted} is refused: ${reason}`;
    this.environment.log('warning', 'listener', line);
  }

  /** `first`: what was read of it already. */
  private begin(
    socket: Socket,
    first: Buffer | null,
    tls: TlsFacts | null,
    greeting: Greeting | null = null,
    origin: Origin | null = null,
  ): void {
    const id = nextConnectionId();
    const { networkFilters: filters, spec } = this;
    const passes = filters.length > 0;
    if (first !== null && passes) socket.unshift(first);
    const filtered = passes ? filterConnection(socket, filters, spec, id, tls, origin) : null;
    if (passes && filtered === null) {
      greeting?.abandon();
      return;
    }
    const { peers } = this.environment;
    const known = tls === null ? peers : new CertifiedPeers(peers, principalOf(tls));
    const transport = new SocketTransport(filtered ?? socket, known, id, tls, undefined, origin);
    const connection = this.serve(transport, greeting);
    if (filtered !== null) filtered.served = connection;
    this.hold(connection, tls);
    if (first !== null && !passes) transport.receive(first);
  }

  private hold(connection: ServedConnection, tls: TlsFacts | null | undefined): void {
    this.connections.set(connection, tls);
    connection.onClosed = () => this.forget(connection);
    if (this.graceMs > 0) connection.drain(this.graceMs);
  }

  /** It becomes another connection, at once. */
  private letGo(arrival: Arrival): void {
    arrival.release();
    this.connections.delete(arrival);
  }

  private forget(connection: ServedConnection): void {
    this.connections.delete(connection);
    if (this.connections.size === 0) this.onEmpty?.();
  }
}
