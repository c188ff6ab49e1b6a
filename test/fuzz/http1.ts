// Fuzz target of the HTTP/1.1 codec: the same bytes mean the same in whatever pieces they come, nothing throws, and a
// head that was accepted reads back as itself, once, after it was written. `node test/fuzz/http1.ts [seconds] [seed]`.

import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { FAILURES } from '../../core/errors.ts';
import type { ServerHandler } from '../../core/http/codec.ts';
import type { Head } from '../../core/http/head.ts';
import { http1 } from '../../core/http1/codec.ts';
import { writeRequestHead } from '../../core/http1/encoder.ts';
import { FIXED, NO_BODY, readRequestHead, requestFacts } from '../../core/http1/strict.ts';
import type { TunnelHandler } from '../../core/http1/tunnel.ts';
import { Timers } from '../../core/timers.ts';
import { beginsTls } from '../../core/transport/arrival.ts';
import { Outbox } from '../../core/transport/outbox.ts';
import type { Wire } from '../../core/transport/wire.ts';
import { tellUsage } from '../../scripts/usage.ts';
import { answer, answerWhenRead, fieldsOf, get, Request, transportOver } from '../core/http1/rig.ts';
import { cut, pick, requests, responses, seeded } from './http1-grammar.ts';

const LIMITS = { maxHeadBytes: 1024, maxFields: 8 };
const HIGH_WATER_MARK = 1 << 20;

/** Inputs that are tried however slow the machine is. */
const LEAST = 100;

/** Runs until `milliseconds` are over; returns the number of inputs tried. Throws with the input that failed. */
export async function fuzz(seed: number, milliseconds: number): Promise<number> {
  const random = seeded(seed);
  const timers = new Timers(1000);
  const until = performance.now() + milliseconds;
  let tried = 0;
  try {
    for (; tried < LEAST || performance.now() < until; tried++) {
      const fromClient = random() < 0.6;
      const text = fromClient ? requests(random) : responses(random);
      const method = pick(random, ['GET', 'HEAD']);
      const mode = pick(random, ['reverse', 'forward'] as const);
      try {
        const run = fromClient
          ? (pieces: string[]) => serve(pieces, mode, timers)
          : (pieces: string[]) => ask(pieces, method);
        const whole = await run([text]);
        assert.deepEqual(await run(cut(random, text)), whole);
      } catch (error) {
        const what = `${fromClient ? 'server' : 'client'} ${fromClient ? mode : method} ${JSON.stringify(text)}`;
        throw new Error(`seed ${seed}, input ${tried}: ${what}`, { cause: error });
      }
    }
  } finally {
    timers.stop();
  }
  return tried;
}

/** One input, whole and byte by byte. */
export async function compare(fromClient: boolean, text: string): Promise<void> {
  const timers = new Timers(1000);
  const run = (pieces: string[]): Promise<unknown> =>
    fromClient ? serve(pieces, 'reverse', timers) : ask(pieces, 'GET');
  try {
    assert.deepEqual(await run([...text]), await run([text]));
  } finally {
    timers.stop();
  }
}

/** What the owner was told and what the client got back. */
async function serve(pieces: string[], mode: 'reverse' | 'forward', timers: Timers): Promise<unknown> {
  const seen: Request[] = [];
  const tunnels: unknown[] = [];
  const handler: ServerHandler & TunnelHandler = {
    onConnect(head) {
      tunnels.push([head.authority, fieldsOf(head)]);
      return null;
    },
    carry(transport, authority, first) {
      if (!beginsTls(first)) return null;
      tunnels.push([authority, 'TLS']);
      transport.destroy();
      return { activeStreams: 0, drain: () => undefined, destroy: () => undefined, onClosed: null };
    },
    onRequest(stream, head, end) {
      const request = new Request(stream, head, null);
      request.ended = end;
      seen.push(request);
      readsBack(head);
      answerWhenRead(request, end);
      return request;
    },
    onMalformed(stream, reason) {
      seen.push(new Request(stream, null, reason));
      stream.closeAfterResponse();
      answer(stream, FAILURES[reason].status, FAILURES[reason].body);
    },
  };
  const [near, far] = wire();
  const times = { headerTimeoutMs: 60_000, idleTimeoutMs: 60_000 };
  http1.serve(transportOver(far, HIGH_WATER_MARK), handler, { ...LIMITS, ...times, mode, maxStreams: 2, timers });
  const received = await converse(near, pieces);
  return {
    received,
    tunnels,
    // A head that was refused may or may not have been read as far as its path.
    requests: seen.map((request) => [
      request.refused ?? request.line,
      request.refused === null ? request.fields : [],
      request.body,
      request.trailers,
      request.ended,
      request.reset,
      request.stream.destination,
    ]),
  };
}

async function ask(pieces: string[], method: string): Promise<unknown> {
  const [near, far] = wire();
  const connection = http1.connect(transportOver(far, HIGH_WATER_MARK), LIMITS);
  const recorded = get(connection, method);
  await converse(near, pieces);
  return [recorded.head?.status, recorded.fields, recorded.body, recorded.trailers, recorded.ended, recorded.reset];
}

/** Sends the pieces, each alone, then FIN; resolves with all that came back until the other side closed. */
function converse(near: End, pieces: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let received = '';
    const patience = setTimeout(() => reject(new Error(`no end after ${next} pieces; received ${received}`)), 5000);
    near.on('data', (chunk: Buffer) => {
      received += chunk.latin1Slice();
    });
    near.on('end', () => {
      clearTimeout(patience);
      near.destroy();
      resolve(received);
    });
    const send = (): void => {
      if (near.destroyed) return;
      if (next === pieces.length) near.end();
      else near.write(Buffer.from(pieces[next++], 'latin1'), () => setImmediate(send));
    };
    send();
  });
}

/** Two ends of a wire stand in for the kernel: the same events as sockets, and no port to wait for. */
function wire(): [End, End] {
  const near = new End();
  const far = new End();
  near.other = far;
  far.other = near;
  return [near, far];
}

class End extends Duplex {
  other!: End;
  readonly connecting = false;
  private finSent = false;

  override _read(): void {
    // Bytes come when the other end writes them.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (!this.other.destroyed) this.other.push(chunk);
    done();
  }

  override _final(done: () => void): void {
    this.fin();
    done();
  }

  override _destroy(_error: Error | null, done: (error: Error | null) => void): void {
    this.fin();
    done(null);
  }

  resetAndDestroy(): void {
    this.destroy();
  }

  private fin(): void {
    if (!this.finSent && !this.other.destroyed) this.other.push(null);
    this.finSent = true;
  }
}

/** What goes upstream for an accepted head is one head, and says the same again. */
function readsBack(head: Head): void {
  const pieces: Buffer[] = [];
  const sink = { writable: true, writableLength: 0, write: (b: Buffer) => pieces.push(b), cork() {}, uncork() {} };
  const out = new Outbox(sink as unknown as Wire, { onOutboxDrained() {}, onOutboxFailed() {} }, 1 << 20);
  const length = head.contentLength;
  assert.ok(writeRequestHead(out, head, length > 0 ? FIXED : NO_BODY, length > 0 ? length : -1));
  out.flush();
  const bytes = Buffer.concat(pieces);
  const { head: kept, ...facts } = requestFacts;
  assert.equal(
    readRequestHead(bytes, 0, bytes.length, { maxHeadBytes: 1 << 20, maxFields: 100 }, 'reverse'),
    'complete',
  );
  const again = requestFacts.head!;
  assert.equal(requestFacts.end, bytes.length);
  assert.deepEqual(
    [again.method, again.authority, again.path, fieldsOf(again), Math.max(0, again.contentLength)],
    [head.method, head.authority, head.path, fieldsOf(head), Math.max(0, length)],
  );
  // The reader is still in the middle of the head that this one was made from.
  Object.assign(requestFacts, facts, { head: kept });
}

if (import.meta.main) {
  tellUsage('node test/fuzz/http1.ts [SECONDS] [SEED]');
  const seconds = Number(process.argv[2] ?? 60);
  const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
  process.stdout.write(`seed ${seed}, ${seconds} s\n`);
  process.stdout.write(`${await fuzz(seed, seconds * 1000)} inputs, no difference\n`);
}
