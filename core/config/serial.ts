// The number of a workload's certificate, which says whose proxy it was signed for and after which revocation of that, so that one is
// refused without a list of all that were ever signed. 16 bytes, in hex:
//
//   40-7f   node, 7 bytes of SHA-256 of its id   era, 4 bytes   random, 4 bytes
//
// The first byte makes it positive and no shorter (RFC 5280 4.1.2.2); six bits of it are random, too.

import { createHash, randomFillSync } from 'node:crypto';

const BYTES = 16;
const ERA = 8;
const MOST_ERA = 0xffff_ffff;

/** Of a node's id, as its certificates have it. */
export function nodeMark(node: string): string {
  return createHash('sha256').update(node).digest('hex').slice(0, 14).toUpperCase();
}

/** `era`: of the revocation that the node's certificates of before were refused by, in seconds of the epoch; 0: there was none. */
export function serialOf(node: string, era: number): Buffer {
  const serial = randomFillSync(Buffer.alloc(BYTES));
  serial[0] = (serial[0] & 0x3f) | 0x40;
  serial.write(nodeMark(node), 1, 'hex');
  serial.writeUInt32BE(Math.min(era, MOST_ERA), ERA);
  return serial;
}

/** `serial` in capital hex. `revoked`: by nodes' marks, the era from which their certificates count again. */
export function isRevoked(serial: string, revoked: ReadonlyMap<string, number>): boolean {
  if (serial.length !== 2 * BYTES) return false;
  const since = revoked.get(serial.slice(2, 2 * ERA));
  return since !== undefined && Number.parseInt(serial.slice(2 * ERA, 2 * ERA + 8), 16) < since;
}
