// A connection to a port of which nothing is declared: its client's first bytes say what it speaks. Who is silent may wait for the
// application, which is listened to meanwhile: the first of the two to speak decides, so that silence makes nothing of anybody.

import { Timer, type TimerOwner, type Timers } from '../timers.ts';
import type { ServedConnection } from '../transport/listener.ts';
import { retainBytes } from '../transport/read-buffer.ts';
import type { Transport, TransportOwner } from '../transport/transport.ts';
import type { Greeting } from './greeting.ts';

/** 'more': it may be HTTP, and its first line is not whole. */
export type Spoken = 'http/1.1' | 'h2' | 'tls' | 'bytes' | 'more';

/** What becomes of it. */
export interface Sniffer {
  readonly timers: Timers;
  /** Who has said nothing for so long is not waited for; 0: everybody is. */
  readonly detectMs: number;
  /** How long it may be silent, and the application too. */
  readonly idleMs: number;
  /** How long its first line may take, where nobody is taken for anything by waiting, and where it begins as a request does. */
  readonly lineMs: number;
  /** As awaitGreeting. */
  greet(told: (spoken: boolean) => void): Greeting | null;
  serve(transport: Transport, spoken: Exclude<Spoken, 'more'>, greeting: Greeting | null): ServedConnection;
}

/** Of a first line; longer than any target that is taken. */
const MOST_BYTES = 64 << 10;
/** Of a method; there is none that is half as long. */
const MOST_METHOD = 32;
/** Empty lines that a server forgives before a request (RFC 9112 2.2), and some. */
const MOST_EMPTY = 8;
const HANDSHAKE = 0x16;
const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;

export class SniffedConnection implements ServedConnection, TransportOwner, TimerOwner {
  onClosed: (() => void) | null = null;
  private readonly transport: Transport;
  private readonly sniffer: Sniffer;
  private readonly timer: Timer = new Timer(this);
  private served: ServedConnection | null = null;
  private greeting: Greeting | null = null;
  private bytes: Buffer | null = null;
  private waited = false;
  /** It has paused in what begins as a request does, and is waited for. */
  private paused = false;
  private graceMs = 0;

  constructor(transport: Transport, sniffer: Sniffer) {
    this.transport = transport;
    this.sniffer = sniffer;
    transport.start(this);
    sniffer.timers.arm(this.timer, sniffer.detectMs || sniffer.idleMs);
    this.waited = sniffer.detectMs === 0;
  }

  get exchange(): ServedConnection['exchange'] {
    return this.served === null ? null : this.served.exchange;
  }

  receive(piece: Buffer): void {
    const bytes = this.bytes === null ? piece : Buffer.concat([this.bytes, piece]);
    const spoken = sniff(bytes);
    if (spoken !== 'more') {
      this.serve(spoken, bytes);
      return;
    }
    if (this.paused && !beginsRequest(bytes)) {
      this.serve(guess(bytes), bytes);
      return;
    }
    if (bytes === piece) retainBytes();
    this.bytes = bytes;
    const { detectMs, lineMs, timers } = this.sniffer;
    // It has begun to speak: the application is not waited for.
    this.forgetGreeting();
    if (this.waited && this.graceMs === 0) timers.arm(this.timer, detectMs || lineMs);
    this.waited = false;
  }

  expired(): void {
    const { bytes, sniffer } = this;
    if (bytes !== null) {
      const patient = !this.paused && sniffer.detectMs > 0 && this.graceMs === 0 && beginsRequest(bytes);
      this.paused = patient;
      if (patient) sniffer.timers.arm(this.timer, sniffer.lineMs);
      else this.serve(guess(bytes), bytes);
    } else if (this.waited || this.graceMs > 0) this.transport.destroy();
    else {
      this.waited = true;
      sniffer.timers.arm(this.timer, sniffer.idleMs);
      this.greeting = sniffer.greet((spoken) => this.greeted(spoken));
    }
  }

  private greeted(spoken: boolean): void {
    const { greeting } = this;
    this.greeting = null;
    if (spoken) this.serve('bytes', null, greeting);
  }

  private serve(spoken: Exclude<Spoken, 'more'>, bytes: Buffer | null, greeting: Greeting | null = null): void {
    const { transport, sniffer } = this;
    this.bytes = null;
    sniffer.timers.cancel(this.timer);
    this.forgetGreeting();
    const served = sniffer.serve(transport, spoken, greeting);
    this.served = served;
    served.onClosed = () => this.onClosed?.();
    if (this.graceMs > 0) served.drain(this.graceMs);
    if (bytes !== null) transport.receive(bytes);
  }

  private forgetGreeting(): void {
    this.greeting?.abandon();
    this.greeting = null;
  }

  /** What has begun to arrive goes on. */
  drain(graceMs: number): void {
    this.graceMs = graceMs;
    if (this.served !== null) this.served.drain(graceMs);
    else this.sniffer.timers.arm(this.timer, graceMs);
  }

  destroy(): void {
    if (this.served === null) this.transport.destroy();
    else this.served.destroy();
  }

  onEnd(): void {
    const { bytes, transport } = this;
    if (bytes === null) transport.destroy();
    else {
      this.serve(guess(bytes), bytes);
      transport.receiveEnd();
    }
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
    this.bytes = null;
    this.forgetGreeting();
    this.sniffer.timers.cancel(this.timer);
    this.onClosed?.();
  }
}

/** All that has come so far. */
export function sniff(bytes: Buffer): Spoken {
  if (bytes[0] === HANDSHAKE) return bytes.length < 2 ? 'more' : bytes[1] === 3 ? 'tls' : 'bytes';
  const start = firstLine(bytes);
  if (start > MOST_EMPTY) return 'bytes';
  let at = start;
  while (at < bytes.length && isMethod(bytes[at])) at++;
  if (at - start > MOST_METHOD) return 'bytes';
  if (at === bytes.length) return 'more';
  if (at === start || (bytes[at] !== SPACE && bytes[at] !== TAB)) return 'bytes';
  for (; at < bytes.length; at++) {
    const byte = bytes[at];
    // A name of HTTP anywhere in the line: what is wrong with it is for HTTP to say.
    if (byte === LF) return bytes.subarray(start, at).indexOf('HTTP/') >= 0 ? version(bytes, start) : 'bytes';
    if ((byte < SPACE && byte !== CR && byte !== TAB) || byte === 127) return 'bytes';
  }
  return bytes.length > MOST_BYTES ? guess(bytes) : 'more';
}

/** Of one that says no more, and has said something. */
export function guess(bytes: Buffer): 'http/1.1' | 'h2' | 'bytes' {
  const start = firstLine(bytes);
  return REQUEST.test(bytes.toString('latin1', start, start + 4 * MOST_METHOD)) ? version(bytes, start) : 'bytes';
}

/** No more than a method that everybody knows, or the beginning of one: no other protocol stops there. */
export function beginsRequest(bytes: Buffer): boolean {
  const start = firstLine(bytes);
  const word = bytes.toString('latin1', start, start + MOST_METHOD);
  return word.length > 0 && METHODS.some((method) => method.startsWith(word));
}

/** RFC 9110 9.3, RFC 5789, and what HTTP/2 begins with. */
const METHODS = [
  'GET ',
  'HEAD ',
  'POST ',
  'PUT ',
  'DELETE ',
  'CONNECT ',
  'OPTIONS ',
  'TRACE ',
  'PATCH ',
  'PRI * HTTP/2.0',
];

/** The beginning of a request: a method and that of a target of any form (RFC 9112 3.2). */
const REQUEST = /^[A-Z][A-Z-]{0,31} +(?:\/|\*|[a-z][a-z0-9+.-]*:\/\/|[a-z0-9.-]+:\d)/i;

/** RFC 9113 3.4: what the preface begins with is no method. */
function version(bytes: Buffer, start: number): 'http/1.1' | 'h2' {
  return bytes.toString('latin1', start, start + 6) === 'PRI * ' ? 'h2' : 'http/1.1';
}

function firstLine(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length && (bytes[at] === CR || bytes[at] === LF)) at++;
  return at;
}

/** Letters, digits and what words are joined by; methods have no other. */
function isMethod(byte: number): boolean {
  const lower = byte | 32;
  return (lower >= 97 && lower <= 122) || (byte >= 48 && byte <= 57) || byte === 45 || byte === 95;
}
