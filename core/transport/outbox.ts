// What goes out on one socket. Everything that one tick produces for a socket leaves in one write: pieces are gathered
// here and flushed when the callback that read from some socket ends, or, for a connection that many others write to, when all that
// was ready has been read. Counts what the peer has not taken yet.

import { beginTurn, endTurn } from '../timers.ts';
import { DirectWrites } from './direct-socket.ts';
import { SecureWrites } from './direct-tls.ts';
import { retainBytes } from './read-buffer.ts';
import type { Wire } from './wire.ts';

const SLAB = 64 * 1024;
/** Pieces up to this size are copied beside each other; a copy this small costs less than another iovec. */
const COPY_UP_TO = 4 * 1024;
/** What is gathered of several callbacks: a record of TLS. */
const GATHER_UP_TO = 16 * 1024;

let slab = Buffer.allocUnsafeSlow(SLAB);
let slabUsed = 0;
/** Something of `slab` waits for a peer: it may be filled to its end, and no more. */
let slabKept = false;

/** Where the next bytes of this shard go. Valid until the next call; `commit` says how many were used. */
export function reserve(size: number): Buffer {
  if (SLAB - slabUsed < size) {
    if (size > SLAB) return Buffer.allocUnsafeSlow(size);
    slab = Buffer.allocUnsafeSlow(SLAB);
    slabUsed = 0;
    slabKept = false;
  }
  return slab;
}

/** Offset in the buffer that `reserve` returned at which to write. */
export function reservedAt(buffer: Buffer): number {
  return buffer === slab ? slabUsed : 0;
}

let reading = 0;
let scheduled = false;
// Emptied by its count: giving an array length 0 is a call out of JavaScript, and another one when it grows again.
const dirty: (Outbox | null)[] = [];
let dirtyCount = 0;
/** Those that gather until all that was ready has been read. */
const late: (Outbox | null)[] = [];
let lateCount = 0;

/** Brackets a socket's callback: what was gathered in between is written at the outermost `leave`. */
export function enter(): void {
  if (reading++ === 0) beginTurn();
}

export function leave(): void {
  if (--reading !== 0) return;
  endTurn();
  if (dirtyCount !== 0) flushAll();
}

function flushAll(): void {
  scheduled = false;
  // Whoever gathers more meanwhile is added behind.
  for (let i = 0; i < dirtyCount; i++) {
    const outbox = dirty[i];
    dirty[i] = null;
    outbox?.flush();
  }
  dirtyCount = 0;
  reuseSlab();
}

function flushLate(): void {
  for (let i = 0; i < lateCount; i++) {
    const outbox = late[i];
    late[i] = null;
    outbox?.flushLate();
  }
  lateCount = 0;
  reuseSlab();
}

/** The system has its own copy of all that was written. */
function reuseSlab(): void {
  if (!slabKept && dirtyCount === 0 && lateCount === 0) slabUsed = 0;
}

export interface OutboxOwner {
  /** The peer takes bytes again after `blocked` was true. */
  onOutboxDrained(): void;
  /** The peer takes nothing more, once. What is written from now on is dropped. */
  onOutboxFailed(): void;
}

export class Outbox {
  /** Bytes of bodies and heads gathered and not handed to the socket. */
  private pending = 0;
  private pieces: Buffer[] = [];
  /** The last piece lies in `slab` and ends at `slabUsed` while this is true of both. */
  private open: Buffer | null = null;
  private openStart = 0;
  private openEnd = 0;
  private isDirty = false;
  private isLate = false;
  private ending = false;
  /** The writing side closes after what was written: what is written from now on is dropped. */
  ended = false;
  /** True from a write that met `highWaterMark` until the peer took it. */
  blocked = false;
  /** The peer takes nothing more. */
  failed = false;
  /** Many connections write to this one: what callbacks of one turn of the event loop gather leaves in one write after them. */
  gathers = false;
  /** Bytes ever handed to the socket. */
  written = 0;
  private readonly socket: Wire;
  private readonly owner: OutboxOwner;
  private readonly highWaterMark: number;
  private readonly onTaken: () => void;
  private readonly direct: DirectWrites | null;
  private readonly secure: SecureWrites | null;

  constructor(socket: Wire, owner: OutboxOwner, highWaterMark: number) {
    this.socket = socket;
    this.owner = owner;
    this.highWaterMark = highWaterMark;
    this.onTaken = () => this.taken();
    const onLost = (): void => this.fail();
    this.direct = DirectWrites.on(socket, this.onTaken, onLost);
    this.secure = this.direct === null ? SecureWrites.on(socket, this.onTaken, onLost) : null;
  }

  /** Bytes that the peer has not taken. */
  get backlog(): number {
    const { direct, secure, pending } = this;
    if (direct !== null) return pending + direct.queued;
    return pending + (secure === null ? this.socket.writableLength : secure.queued);
  }

  /** Falls whenever the peer takes anything, also of a piece that is not yet through. */
  get remaining(): number {
    const { _handle: handle } = this.socket as { _handle?: { writeQueueSize?: number } | null };
    return this.backlog + (handle?.writeQueueSize ?? 0);
  }

  /** Takes `size` bytes that were just written at `reservedAt` of `buffer`. */
  commit(buffer: Buffer, size: number): void {
    this.pending += size;
    if (buffer === slab) {
      if (this.open === slab && this.openEnd === slabUsed) this.openEnd += size;
      else {
        this.seal();
        this.open = slab;
        this.openStart = slabUsed;
        this.openEnd = slabUsed + size;
      }
      slabUsed += size;
    } else {
      this.seal();
      this.pieces.push(buffer.subarray(0, size));
    }
    this.touch();
  }

  /** Takes a piece of a body. Small ones are copied; large ones leave with the callback that was lent them, or are kept. */
  append(chunk: Buffer): void {
    const size = chunk.length;
    if (size === 0) return;
    if (size <= COPY_UP_TO) {
      const buffer = reserve(size);
      chunk.copy(buffer, slabUsed);
      this.commit(buffer, size);
      return;
    }
    this.seal();
    this.pieces.push(chunk);
    this.pending += size;
    this.touchNow();
  }

  /** False when the peer is slow; then `owner.onOutboxDrained` follows, unless the connection has failed. */
  roomLeft(): boolean {
    if (this.blocked || this.failed) return false;
    if (this.backlog < this.highWaterMark) return true;
    this.blocked = true;
    this.touch();
    return false;
  }

  /** Closes the writing side after what was gathered. */
  end(): void {
    this.ending = true;
    this.touch();
  }

  /** Writes now. */
  flush(): void {
    this.isDirty = false;
    const { socket, pending } = this;
    if (pending !== 0) {
      // Nearly always: one message, its head and body beside each other in the slab.
      const pieces = this.pieces.length === 0 ? this.open!.subarray(this.openStart, this.openEnd) : this.sealed();
      this.open = null;
      this.pending = 0;
      if (socket.writable && !this.failed && !this.ended) {
        this.written += pending;
        this.write(pieces, pending);
      }
    }
    if (this.ending && !this.ended) {
      this.ended = true;
      if (this.secure === null) socket.end();
      else this.secure.end();
    }
  }

  flushLate(): void {
    this.isLate = false;
    this.flush();
  }

  private write(pieces: Buffer | readonly Buffer[], size: number): void {
    const { socket, direct, secure } = this;
    if (direct !== null) {
      if (!direct.write(pieces, size)) stays();
      // The owner is in the middle of something.
      else if (this.blocked) process.nextTick(this.onTaken);
    } else if (secure !== null) {
      if (!secure.write(pieces, size)) stays();
    } else {
      stays();
      writePieces(socket, pieces, this.blocked ? this.onTaken : undefined);
    }
  }

  /** What was gathered, when it is more than one piece. */
  private sealed(): readonly Buffer[] {
    this.seal();
    const { pieces } = this;
    this.pieces = [];
    return pieces;
  }

  private seal(): void {
    if (this.open === null) return;
    this.pieces.push(this.open.subarray(this.openStart, this.openEnd));
    this.open = null;
  }

  private touch(): void {
    if (!this.gathers || this.pending > GATHER_UP_TO) {
      this.touchNow();
      return;
    }
    if (this.isLate || this.isDirty) return;
    this.isLate = true;
    late[lateCount++] = this;
    if (lateCount === 1) setImmediate(flushLate);
  }

  private touchNow(): void {
    if (this.isDirty) return;
    this.isDirty = true;
    dirty[dirtyCount++] = this;
    if (reading !== 0) return;
    // Later than the callback that lent it.
    retainBytes();
    if (scheduled) return;
    scheduled = true;
    process.nextTick(flushAll);
  }

  private fail(): void {
    this.failed = true;
    this.owner.onOutboxFailed();
  }

  private taken(): void {
    if (!this.blocked || this.backlog >= this.highWaterMark) return;
    this.blocked = false;
    // What the owner writes now leaves with this callback, as after a read.
    enter();
    this.owner.onOutboxDrained();
    leave();
  }
}

/** What was given to a socket just now is not with the system yet. */
function stays(): void {
  retainBytes();
  slabKept = true;
}

function writePieces(socket: Wire, pieces: Buffer | readonly Buffer[], taken: (() => void) | undefined): void {
  if (ArrayBuffer.isView(pieces)) {
    socket.write(pieces, taken);
    return;
  }
  const last = pieces.length - 1;
  if (last > 0) socket.cork();
  for (let i = 0; i < last; i++) socket.write(pieces[i]);
  socket.write(pieces[last], taken);
  if (last > 0) socket.uncork();
}
