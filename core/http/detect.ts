// Which codec reads an accepted connection: that of HTTP/2 when both have agreed on it in their handshake, or when it begins with its
// preface (RFC 9113 3.4), else that of HTTP/1. The first byte that no preface has decides, so that nobody waits who speaks HTTP/1.

import { Timer, type TimerOwner } from '../timers.ts';
import { retainBytes } from '../transport/read-buffer.ts';
import type { Transport, TransportOwner } from '../transport/transport.ts';
import type { Codec, Codecs, ServerConnection, ServerHandler, ServerOptions } from './codec.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Names of ALPN upon which nothing but the frames of HTTP/2 may follow (RFC 9113 3.3). */
const AGREED: Readonly<Record<string, 'h2' | 'weft-multiplexed' | undefined>> = {
  h2: 'h2',
  'istio-h2': 'h2',
  'weft-multiplexed': 'weft-multiplexed',
};

/** What is, or may become, the preface of HTTP/2. */
export function mayBeHttp2(bytes: Buffer): boolean {
  const known = Math.min(PREFACE.length, bytes.length);
  return PREFACE.compare(bytes, 0, known, 0, known) === 0;
}

export class DetectedConnection implements ServerConnection, TransportOwner, TimerOwner {
  onClosed: (() => void) | null = null;
  private readonly transport: Transport;
  private readonly codecs: Codecs;
  private readonly handler: ServerHandler;
  private readonly options: ServerOptions;
  private readonly timer = new Timer(this);
  /** What reads it, once that is known. */
  private served: ServerConnection | null = null;
  /** What came before. */
  private first: Buffer | null = null;
  private loading = false;
  private graceMs = 0;

  constructor(transport: Transport, codecs: Codecs, handler: ServerHandler, options: ServerOptions) {
    this.transport = transport;
    this.codecs = codecs;
    this.handler = handler;
    this.options = options;
    transport.start(this);
    options.timers.arm(this.timer, options.idleTimeoutMs);
  }

  get activeStreams(): number {
    return this.served?.activeStreams ?? 0;
  }

  receive(piece: Buffer): void {
    const bytes = this.first === null ? piece : Buffer.concat([this.first, piece]);
    const agreed = AGREED[this.transport.tls?.alpn ?? ''];
    if (agreed === undefined && !mayBeHttp2(bytes)) {
      this.serve(this.codecs['http/1.1'], bytes);
      return;
    }
    const decided = agreed !== undefined || bytes.length >= PREFACE.length;
    const source = this.codecs[agreed ?? 'h2'];
    const { codec } = source;
    if (decided && codec !== null) {
      this.serve(codec, bytes);
      return;
    }
    if (this.first === null) this.options.timers.arm(this.timer, this.options.headerTimeoutMs);
    if (bytes === piece) retainBytes();
    this.first = bytes;
    if (!decided || this.loading) return;
    this.loading = true;
    this.transport.pause();
    void source.load().then((loaded) => this.loaded(loaded));
  }

  private loaded(codec: Codec): void {
    const { first } = this;
    if (first === null) return;
    this.serve(codec, first);
    this.transport.resume();
  }

  private serve(codec: Codec, bytes: Buffer): void {
    this.first = null;
    this.options.timers.cancel(this.timer);
    const { transport } = this;
    const served = codec.serve(transport, this.handler, this.options);
    this.served = served;
    served.onClosed = () => this.onClosed?.();
    if (this.graceMs > 0) served.drain(this.graceMs);
    transport.receive(bytes);
  }

  drain(graceMs: number): void {
    if (this.served !== null) this.served.drain(graceMs);
    else {
      this.graceMs = graceMs;
      this.options.timers.arm(this.timer, graceMs);
    }
  }

  destroy(): void {
    if (this.served === null) this.transport.destroy();
    else this.served.destroy();
  }

  expired(): void {
    this.transport.destroy();
  }

  onEnd(): void {
    // Whatever it was to be, it comes to nothing.
    if (this.first === null) this.transport.destroy();
    else if (!this.loading) this.serve(this.codecs['http/1.1'], this.first);
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
    this.first = null;
    this.options.timers.cancel(this.timer);
    this.onClosed?.();
  }
}
