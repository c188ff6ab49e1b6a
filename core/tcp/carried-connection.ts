// A connection whose bytes are carried as they are, from the listener that accepted it to its one end: may it be here, where does
// it lead, a connection there, bytes both ways, a line in the access log. To telemetry it is an exchange without a request.

import type { Endpoint } from '../cluster/endpoint.ts';
import { FAILURES, type FailureCode, flagBit } from '../errors.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import { hostPort } from '../host-port.ts';
import type { ListenerContext, ShardContext } from '../shard/context.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { Timer, type TimerOwner } from '../timers.ts';
import type { ServedConnection } from '../transport/listener.ts';
import { retainBytes } from '../transport/read-buffer.ts';
import type { ConnectionFacts, TlsFacts, Transport, TransportOwner } from '../transport/transport.ts';
import type { Workload } from '../workload.ts';
import { BytePump, type PumpOwner } from './byte-pump.ts';
import type { TcpService, TcpTarget } from './service.ts';
import { type ConnectEnvironment, type ConnectOwner, UpstreamConnect } from './upstream-connect.ts';

/** Bytes that moved are counted at least this often while a connection lives. As Istio's. */
const COUNTED_MS = 15_000;

export class CarriedConnection
  implements ServedConnection, TransportOwner, ConnectOwner, PumpOwner, TimerOwner, ExchangeRecord
{
  onClosed: (() => void) | null = null;
  readonly connection: Transport;
  readonly startTime: number;
  flags = 0;
  durationMs = -1;
  responseStartMs = -1;
  bytesReceived = 0;
  bytesSent = 0;
  readonly messages = null;
  upstreamTransportFailure = '';
  terminationDetails = '';
  private readonly listener: ListenerContext;
  private readonly snapshot: Snapshot;
  private readonly service: TcpService;
  private readonly started = performance.now();
  private readonly timer = new Timer(this);
  private target: TcpTarget | null = null;
  private route = '';
  private upstream: UpstreamConnect | null = null;
  private upstreamConnection: ConnectionFacts | null = null;
  private pump: BytePump | null = null;
  /** What came before there was somebody to give it to. */
  private early: Buffer[] = [];
  private earlyEnd = false;
  private ended = false;
  private idleMs = 0;
  /** Since some byte moved: ms that the timer has seen. */
  private quietMs = 0;
  private waitMs = 0;
  private seen = 0;
  private draining = false;
  private counted = { received: 0, sent: 0 };

  constructor(listener: ListenerContext, connection: Transport, service: TcpService, environment: ConnectEnvironment) {
    this.listener = listener;
    this.connection = connection;
    this.service = service;
    this.snapshot = listener.shard.snapshot;
    this.startTime = performance.timeOrigin + this.started;
    connection.start(this);
    // Nobody takes its bytes before there is somebody to give them to.
    connection.pause();
    this.shard.active++;
    this.shard.sink.connectionOpened(this, this.snapshot.telemetry);
    const failure = this.choose();
    if (failure !== null) this.fail(failure);
    else {
      this.upstream = new UpstreamConnect(environment, this.target!.cluster!, this, connection);
      this.upstream.start();
    }
  }

  /** Where it leads, or why nowhere. */
  private choose(): FailureCode | null {
    const { shard, service, connection } = this;
    if (shard.active > shard.options.maxActiveRequests) return 'overload';
    if (!this.isAdmitted()) return 'connection_denied';
    const route = service.routes.find((candidate) => candidate.matches(connection));
    if (route === undefined) return 'no_route';
    this.route = route.origin;
    this.target = chosen(route.targets, route.totalWeight, shard.random);
    return this.target.cluster === null ? 'no_cluster' : null;
  }

  private isAdmitted(): boolean {
    const { admission, observations } = this.snapshot.tcp;
    if ((admission === null && observations === null) || this.direction === 'outbound') return true;
    const { peer, remoteAddress, localAddress, tls, serverName } = this.connection;
    const { port } = this.service;
    const subject = {
      ...{ principal: peer.principal, remoteAddress, localAddress, port },
      serverName: tls?.serverName ?? serverName,
    };
    observations?.(subject, (what, line) => this.shard.observed.observe(what, line, this.started));
    const refusal = admission === null ? null : admission(subject);
    this.terminationDetails = refusal ?? '';
    return refusal === null;
  }

  connected(transport: Transport): void {
    const { connection, early } = this;
    this.upstreamConnection = transport;
    this.responseStartMs = performance.now() - this.started;
    const pump = new BytePump(connection, transport, this);
    this.pump = pump;
    this.early = [];
    for (const piece of early) pump.left.receive(piece);
    if (this.earlyEnd) pump.left.onEnd();
    const { idleMs } = this.target!.cluster!.policy.tcp;
    this.idleMs = idleMs;
    this.wait();
    // It may be blocked by what came early, and goes on when that is taken.
    if (transport.out.roomLeft()) connection.resume();
  }

  connectFailed(reason: FailureCode, text: string, spent: boolean): void {
    this.upstreamTransportFailure = text;
    if (spent) this.flags |= flagBit('URX');
    this.fail(reason);
  }

  onPumpEnded(): void {
    this.finish();
  }

  /** Quiet is when no byte moves, one way or the other. */
  expired(): void {
    const { pump } = this;
    if (pump === null) return;
    this.count();
    const { bytes } = pump;
    this.quietMs = bytes === this.seen ? this.quietMs + this.waitMs : 0;
    this.seen = bytes;
    if (this.draining && this.quietMs >= this.waitMs) pump.destroy();
    else if (this.idleMs > 0 && this.quietMs >= this.idleMs) {
      this.terminationDetails = 'idle_timeout';
      pump.destroy();
    } else this.wait();
  }

  private wait(): void {
    if (!this.draining) this.waitMs = this.idleMs === 0 ? COUNTED_MS : Math.min(COUNTED_MS, this.idleMs / 4);
    this.shard.timers.arm(this.timer, this.waitMs);
  }

  private count(): void {
    const { pump, counted, shard, snapshot } = this;
    if (pump === null) return;
    const received = pump.left.bytes - counted.received;
    const sent = pump.right.bytes - counted.sent;
    if (received + sent === 0) return;
    counted.received += received;
    counted.sent += sent;
    shard.sink.connectionMoved(this, received, sent, snapshot.telemetry);
  }

  /** It ends once nothing has moved for so long: who is in the middle of something goes on. */
  drain(graceMs: number): void {
    if (this.draining) return;
    this.draining = true;
    this.quietMs = 0;
    this.seen = this.pump?.bytes ?? 0;
    this.waitMs = Math.max(1, graceMs);
    this.shard.timers.arm(this.timer, this.waitMs);
  }

  destroy(): void {
    this.upstream?.end();
    if (this.pump === null) this.connection.destroy();
    else this.pump.destroy();
  }

  private fail(reason: FailureCode): void {
    const { flag } = FAILURES[reason];
    if (flag !== null) this.flags |= flagBit(flag);
    this.connection.destroy();
  }

  private finish(): void {
    if (this.ended) return;
    this.ended = true;
    const { shard, pump, snapshot } = this;
    shard.timers.cancel(this.timer);
    this.upstream?.end();
    this.durationMs = performance.now() - this.started;
    this.count();
    this.bytesReceived = pump?.left.bytes ?? 0;
    this.bytesSent = pump?.right.bytes ?? 0;
    shard.active--;
    shard.sink.connectionEnded(this, snapshot.telemetry);
    this.onClosed?.();
  }

  // The client, until there is an upstream.

  receive(piece: Buffer): void {
    if (this.ended) return;
    retainBytes();
    this.early.push(piece);
  }

  onEnd(): void {
    if (this.early.length > 0) {
      this.earlyEnd = true;
      return;
    }
    // Half a connection to nobody.
    this.flags |= flagBit('DC');
    this.connection.destroy();
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
    if (this.flags === 0 && this.terminationDetails === '') this.flags |= flagBit('DC');
    this.early = [];
    this.finish();
  }

  // What is recorded.

  get exchange(): this {
    return this;
  }
  get shard(): ShardContext {
    return this.listener.shard;
  }
  get direction(): ExchangeRecord['direction'] {
    return this.listener.spec.kind;
  }
  get protocol(): string {
    return '';
  }
  get requestEndMs(): number {
    return -1;
  }
  get upstreamServiceMs(): number {
    return -1;
  }
  get requestHead(): null {
    return null;
  }
  get originalPath(): null {
    return null;
  }
  get responseHead(): null {
    return null;
  }
  get responseTrailers(): null {
    return null;
  }
  get requestId(): string {
    return '';
  }
  get responseCode(): number {
    return 0;
  }
  get responseCodeDetails(): string {
    return '';
  }
  get virtualHostName(): string {
    return '';
  }
  get routeName(): string {
    return this.route;
  }
  get clusterName(): string {
    return this.target?.clusterName ?? '';
  }
  get clusterEndpoints(): number {
    return this.target?.cluster?.endpoints.length ?? 0;
  }
  get attempts(): number {
    return this.upstream?.attempts ?? 0;
  }
  get lastEndpoint(): Endpoint | null {
    return this.upstream?.endpoint ?? null;
  }
  get upstreamHost(): string {
    return this.lastEndpoint?.key ?? '';
  }
  get upstreamLocalAddress(): string {
    const { upstreamConnection: there } = this;
    return there === null ? '' : hostPort(there.localAddress, there.localPort);
  }
  get upstreamTls(): TlsFacts | null {
    return this.upstreamConnection?.tls ?? null;
  }
  get destinationService(): string {
    return this.target?.cluster?.spec.service ?? this.service.service;
  }
  get destinationPort(): number {
    return this.target?.cluster?.spec.port ?? this.service.port;
  }
  get source(): Workload | null {
    return this.connection.peer.workload;
  }
  get sourcePrincipal(): string {
    return this.connection.peer.principal;
  }
  get destination(): Workload | null {
    return this.direction === 'inbound' ? this.shard.node : (this.lastEndpoint?.workload ?? null);
  }
}

function chosen(targets: readonly TcpTarget[], totalWeight: number, random: () => number): TcpTarget {
  if (targets.length === 1) return targets[0];
  let point = random() * totalWeight;
  for (const target of targets) {
    point -= target.weight;
    if (point < 0) return target;
  }
  return targets[targets.length - 1];
}
