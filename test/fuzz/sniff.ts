// Fuzz target: first bytes of clients, changed at random. Whatever they are, they are told apart in no time, and never by how they were
// cut: what more bytes may still make HTTP is never called something else before. `node test/fuzz/sniff.ts 600`: so many seconds.

import assert from 'node:assert/strict';
import { guess, sniff } from '../../core/tcp/sniffed-connection.ts';
import { readClientHello } from '../../core/transport/tls/client-hello.ts';
import { tellUsage } from '../../scripts/usage.ts';
import { helloFor, inRecords } from './client-hello.ts';

const BEGINNINGS = [
  'GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'CONNECT a.example:443 HTTP/1.1\r\n',
  'SET key value\r\n',
  '*1\r\n$4\r\nPING\r\n',
  'EHLO a\r\n',
  '\0\0\0\x08\x04\xd2\x16\x2f',
].map((text) => Buffer.from(text, 'latin1'));

/** Returns how many were HTTP, TLS and something else. */
export function fuzz(seed: number, rounds: number): Record<string, number> {
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % below;
  };
  const counts: Record<string, number> = { 'http/1.1': 0, h2: 0, tls: 0, bytes: 0, more: 0 };
  for (let round = 0; round < rounds; round++) {
    const which = random(BEGINNINGS.length + 1);
    const from = BEGINNINGS[which] ?? inRecords(helloFor('a.example.com'));
    const bytes = Buffer.from(random(5) === 0 ? Buffer.concat([Buffer.from('\r\n'), from]) : from);
    for (let changes = random(4); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
    const whole = sniff(bytes);
    counts[whole]++;
    let before = 'more';
    for (let cut = 0; cut <= bytes.length; cut++) {
      const part = bytes.subarray(0, cut);
      const now = sniff(part);
      if (before !== 'more') assert.equal(now, before);
      before = now;
      if (now === 'more') assert.ok(['http/1.1', 'h2', 'bytes'].includes(guess(part)));
    }
    assert.equal(before, whole);
    // Of what is no TLS there is no hello.
    if (whole !== 'tls' && whole !== 'more') assert.equal(readClientHello(bytes), null);
  }
  return counts;
}

if (import.meta.main) {
  tellUsage('node test/fuzz/sniff.ts [SECONDS]');
  const end = performance.now() + 1_000 * Number(process.argv[2] ?? 60);
  for (let seed = Date.now() & 0xffff; performance.now() < end; seed++) fuzz(seed, 2_000);
}
