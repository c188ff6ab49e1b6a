// Fuzz target: what a client of TLS says first, changed at random. Whatever it is, it is read as a hello, as the beginning of one or as
// none, in no time; and in whatever pieces a hello comes, it is the same one. `node test/fuzz/client-hello.ts 600`: so many seconds.

import assert from 'node:assert/strict';
import { readClientHello } from '../../core/transport/tls/client-hello.ts';
import { tellUsage } from '../../scripts/usage.ts';

/** A hello of TLS 1.3 for this name. */
export function helloFor(name: string, protocols: readonly string[] = ['h2']): Buffer {
  const server = sized(2, Buffer.concat([Buffer.of(0), sized(2, Buffer.from(name, 'latin1'))]));
  const alpn = sized(2, Buffer.concat(protocols.map((each) => sized(1, Buffer.from(each)))));
  const extensions = Buffer.concat([
    Buffer.of(0, 0),
    sized(2, server),
    Buffer.of(0, 16),
    sized(2, alpn),
    Buffer.of(0, 43),
    sized(2, Buffer.of(2, 3, 4)),
  ]);
  const body = Buffer.concat([
    Buffer.of(3, 3),
    Buffer.alloc(32, 7),
    sized(1, Buffer.alloc(32, 9)),
    sized(2, Buffer.of(0x13, 1)),
    sized(1, Buffer.of(0)),
    sized(2, extensions),
  ]);
  return Buffer.concat([Buffer.of(1), sized(3, body)]);
}

/** The message in records of at most `most` bytes each. */
export function inRecords(message: Buffer, most = message.length): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += most) {
    records.push(Buffer.of(0x16, 3, 1), sized(2, message.subarray(at, at + most)));
  }
  return Buffer.concat(records);
}

function sized(bytes: number, content: Buffer): Buffer {
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(content.length, 0, bytes);
  return Buffer.concat([length, content]);
}

/** Returns how many of the changed ones were still hellos. */
export function fuzz(seed: number, rounds: number): number {
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % below;
  };
  let hellos = 0;
  for (let round = 0; round < rounds; round++) {
    const message = helloFor('a'.repeat(1 + random(60)), ['h2', 'http/1.1'].slice(random(3)));
    const bytes = inRecords(message, random(2) === 0 ? message.length : 16 + random(message.length));
    for (let changes = random(4); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
    const given = random(4) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
    const read = readClientHello(given);
    if (read !== null && read !== 'more') hellos++;
    // What is none stays none, and what is whole stays what it is, whatever follows.
    const longer = readClientHello(Buffer.concat([given, Buffer.alloc(8, random(256))]));
    if (read !== 'more') assert.deepEqual(longer, read);
    if (read !== null)
      for (let cut = 0; cut < given.length; cut += 7) assert.notEqual(readClientHello(given.subarray(0, cut)), null);
  }
  return hellos;
}

if (import.meta.main) {
  tellUsage('node test/fuzz/client-hello.ts [SECONDS]');
  const end = performance.now() + 1_000 * Number(process.argv[2] ?? 60);
  for (let seed = Date.now() & 0xffff; performance.now() < end; seed++) fuzz(seed, 2_000);
}
