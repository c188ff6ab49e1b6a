// Fuzz target: headers of the PROXY protocol, changed at random. Whatever the bytes are, they are a header, the beginning of one or none,
// in no time; more bytes after a header change nothing, and no part of one is called none. `node test/fuzz/proxy-header.ts 600`: seconds.

import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { readProxyHeader } from '../../core/transport/proxy-header.ts';
import { tellUsage } from '../../scripts/usage.ts';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';

/** Version 2, for addresses and ports in bytes. */
export function binaryHeader(family: number, body: Buffer, command = 0x21, length = body.length): Buffer {
  return Buffer.concat([
    Buffer.from(SIGNATURE, 'latin1'),
    Buffer.of(command, family, length >> 8, length & 0xff),
    body,
  ]);
}

const IPV4 = Buffer.from([192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 4, 1, 0xbb]);
const IPV6 = Buffer.concat([Buffer.alloc(32, 0x20), Buffer.of(0, 80, 1, 0xbb)]);
const HEADERS = [
  Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n'),
  Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n'),
  Buffer.from('PROXY UNKNOWN what ever\r\n'),
  binaryHeader(0x11, IPV4),
  binaryHeader(0x11, Buffer.concat([IPV4, Buffer.of(4, 0, 2, 1, 1)])),
  binaryHeader(0x21, IPV6),
  binaryHeader(0, Buffer.alloc(0), 0x20),
];

/** Returns how many of the changed ones were still headers. */
export function fuzz(seed: number, rounds: number): number {
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % below;
  };
  let headers = 0;
  for (let round = 0; round < rounds; round++) {
    const bytes = Buffer.from(HEADERS[random(HEADERS.length)]);
    for (let changes = random(4); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
    const read = readProxyHeader(bytes);
    const longer = readProxyHeader(Buffer.concat([bytes, Buffer.alloc(8, random(256))]));
    if (read !== 'more') assert.deepEqual(longer, read);
    if (read === null || read === 'more') continue;
    headers++;
    assert.ok(read.length <= bytes.length);
    if (read.origin !== null) assert.ok(isIP(read.origin.remoteAddress) > 0 && isIP(read.origin.localAddress) > 0);
    for (let cut = 0; cut < read.length; cut++) assert.equal(readProxyHeader(bytes.subarray(0, cut)), 'more');
  }
  return headers;
}

if (import.meta.main) {
  tellUsage('node test/fuzz/proxy-header.ts [SECONDS]');
  const end = performance.now() + 1_000 * Number(process.argv[2] ?? 60);
  for (let seed = Date.now() & 0xffff; performance.now() < end; seed++) fuzz(seed, 2_000);
}
