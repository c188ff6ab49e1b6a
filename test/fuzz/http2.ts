// Fuzz target of the HTTP/2 codec: the same frames mean the same in whatever pieces they come, nothing throws, and fields are to
// Node's codec what they are to ours, in both directions. `node test/fuzz/http2.ts [seconds] [seed]`.

import assert from 'node:assert/strict';
import { connect, createServer, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Head } from '../../core/http/head.ts';
import { serverOptions } from '../../core/http/limits.ts';
import { http2 } from '../../core/http2/codec.ts';
import * as f from '../../core/http2/frames.ts';
import { Timers } from '../../core/timers.ts';
import { Outbox } from '../../core/transport/outbox.ts';
import type { Transport, TransportOwner } from '../../core/transport/transport.ts';
import type { Wire } from '../../core/transport/wire.ts';
import { tellUsage } from '../../scripts/usage.ts';
import { Asked, answerWith, clientOf, Sent } from '../contract/codec-rig.ts';
import type { Cleanup } from '../core/http1/rig.ts';
import { block, frame, GET, POST, rig, setting, told, word } from '../core/http2/raw.ts';
import { pick, type Random, seeded } from './http1-grammar.ts';

/** Inputs that are tried however slow the machine is. */
const LEAST = 50;

/** Runs until `milliseconds` are over; returns the number of inputs tried. Throws with the input that failed. */
export function fuzz(seed: number, milliseconds: number): number {
  const random = seeded(seed);
  const timers = new Timers(1000);
  const until = performance.now() + milliseconds;
  let tried = 0;
  try {
    for (; tried < LEAST || performance.now() < until; tried++) {
      const bytes = Buffer.concat([f.PREFACE, frame(f.SETTINGS, 0, 0), ...frames(random)]);
      try {
        assert.deepEqual(serve(cut(random, bytes), timers), serve([bytes], timers));
      } catch (error) {
        throw new Error(`seed ${seed}, input ${tried}: ${bytes.toString('hex')}`, { cause: error });
      }
    }
  } finally {
    timers.stop();
  }
  return tried;
}

/** What the owner was told, and what the client heard of errors. */
function serve(pieces: readonly Buffer[], timers: Timers): unknown {
  const asked: Asked[] = [];
  const malformed: string[] = [];
  const written: Buffer[] = [];
  const transport = memoryTransport(written);
  http2.serve(
    transport,
    {
      onRequest(stream, head, end) {
        const one = new Asked(stream, head, end);
        asked.push(one);
        if (head.method === 'GET') answerWith(stream, 'yes');
        return one;
      },
      onMalformed(stream, reason) {
        malformed.push(reason);
        stream.reset();
      },
    },
    serverOptions('gateway', timers),
  );
  for (const piece of pieces) transport.receive(Buffer.from(piece));
  transport.destroy();
  return {
    malformed,
    said: told(Buffer.concat(written)),
    asked: asked.map((one) => [one.told, one.head?.path, one.fields, one.body, one.trailers]),
  };
}

function memoryTransport(written: Buffer[]): Transport {
  const sink = { writable: true, writableLength: 0, writableEnded: false, cork() {}, uncork() {}, end() {} };
  const wire = { ...sink, write: (bytes: Buffer) => written.push(Buffer.from(bytes)) } as unknown as Wire;
  const out = new Outbox(wire, { onOutboxDrained() {}, onOutboxFailed() {} }, 1 << 20);
  let owner: TransportOwner | null = null;
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    owner?.onClose();
  };
  const facts = {
    id: 1,
    remoteAddress: '',
    remotePort: 0,
    localAddress: '',
    localPort: 0,
    memo: null,
    tls: null,
    serverName: '',
  };
  return {
    ...facts,
    peer: { workload: null, principal: '' },
    out,
    writable: true,
    start: (to) => {
      owner = to;
    },
    receive: (piece) => owner?.receive(piece),
    receiveEnd: () => owner?.onEnd(),
    pause() {},
    resume() {},
    end: () => out.flush(),
    destroy: close,
    reset: close,
  };
}

function frames(random: Random): Buffer[] {
  return Array.from({ length: 1 + Math.floor(random() * 12) }, () => {
    const id = pick(random, [0, 1, 1, 1, 3, 3, 5, 2]);
    const fields = pick(random, [GET, POST, POST, [...POST, ['content-length', '3']], [['x-end', '1']]] as const);
    switch (pick(random, ['head', 'head', 'data', 'data', 'data', 'cut', 'word', 'settings', 'noise'])) {
      case 'head':
        return frame(
          f.HEADERS,
          f.END_HEADERS | pick(random, [0, 0, f.END_STREAM]),
          id,
          block(...(fields as typeof GET)),
        );
      case 'data':
        return frame(
          f.DATA,
          pick(random, [0, 0, 1, 8, 9]),
          id,
          pick(random, ['', 'abc', '\x01ab\0', 'x'.repeat(5000)]),
        );
      case 'cut': {
        const whole = block(...GET, ['x-one', 'y'.repeat(50)]);
        const at = Math.floor(random() * whole.length);
        const rest = frame(f.CONTINUATION, f.END_HEADERS, pick(random, [id, id, 7]), whole.subarray(at));
        return Buffer.concat([frame(f.HEADERS, f.END_STREAM, id, whole.subarray(0, at)), rest]);
      }
      case 'word':
        return frame(
          pick(random, [f.RST_STREAM, f.WINDOW_UPDATE]),
          0,
          id,
          word(pick(random, [0, 8, 70_000, 0x7fffffff])),
        );
      case 'settings':
        return frame(
          f.SETTINGS,
          0,
          0,
          setting(pick(random, [1, 3, 4, 5, 9]), pick(random, [0, 100, 16384, 0x7fffffff])),
        );
      default:
        return frame(Math.floor(random() * 12), Math.floor(random() * 64), id, noise(random));
    }
  });
}

function noise(random: Random): Buffer {
  return Buffer.from(Array.from({ length: Math.floor(random() * 20) }, () => Math.floor(random() * 256)));
}

function cut(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + Math.floor(random() * pick(random, [1, 9, 40, 6000]));
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

/** So many heads go from Node's codec to ours and from ours to Node's, over one connection each, and are the same there. */
export async function compareFields(t: Cleanup, seed: number, heads: number): Promise<void> {
  const random = seeded(seed);
  const ours = await rig(t);
  const client = connect(`http://127.0.0.1:${ours.port}`);
  const theirs = createServer();
  const seen: IncomingHttpHeaders[] = [];
  theirs.on('stream', (stream, headers) => {
    seen.push(headers);
    stream.respond({ ':status': 204 }, { endStream: true });
  });
  await new Promise<void>((resolve) => theirs.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    client.destroy();
    theirs.close();
  });
  const { client: near } = await clientOf(t, http2, (theirs.address() as AddressInfo).port);
  for (let i = 0; i < heads; i++) {
    const fields = Object.fromEntries(Array.from({ length: Math.floor(random() * 8) }, () => field(random)));
    const stream = client.request({ ':path': `/${i % 7}`, ':authority': 'a', ...fields });
    await new Promise((resolve, reject) => stream.on('error', reject).on('close', resolve).resume());
    const head = ours.asked[i].head!;
    assert.deepEqual([head.path, Object.fromEntries(ours.asked[i].fields)], [`/${i % 7}`, fields]);
    await passOn(new Sent(near), head);
    const arrived = Object.entries(seen[i]);
    const regular = arrived.filter(([name]) => !name.startsWith(':'));
    assert.deepEqual([seen[i][':path'], Object.fromEntries(regular)], [`/${i % 7}`, fields]);
  }
}

async function passOn(sent: Sent, head: Head): Promise<void> {
  sent.stream.writeHead(head, true);
  assert.equal(await sent.over(), 'head, end');
}

function field(random: Random): [string, string] {
  const length = Math.floor(random() ** 3 * pick(random, [8, 60, 700]));
  const visible = (): string => String.fromCharCode(33 + Math.floor(random() * 94));
  const name = `x-${Math.floor(random() * 12)}`;
  return [name, random() < 0.5 ? `value ${Math.floor(random() * 5)}` : Array.from({ length }, visible).join('')];
}

if (import.meta.main) {
  tellUsage('node test/fuzz/http2.ts [SECONDS] [SEED]: until the time is over, with the input that failed if one did');
  const [seconds = '60', seed = String(Date.now() % 1e6)] = process.argv.slice(2);
  console.log(`${fuzz(Number(seed), Number(seconds) * 1000)} inputs with seed ${seed}`);
}
