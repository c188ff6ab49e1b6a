// A key pair of NATS (Ed25519, written in base32 with a letter for whose it is) on Node's own Ed25519. The one that comes with
// the client is in JavaScript: a signature costs milliseconds there, some 30 microseconds here, and whoever joins has some made.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import type { KeyPair } from '@nats-io/jwt';

/** Of whom: the first byte, which makes the first letter ('O', 'A', 'U'). */
const ROLES = { operator: 14 << 3, account: 0, user: 20 << 3 };
/** First letters 'S' and 'P'. */
const SEED = 18 << 3;
const PRIVATE = 15 << 3;
const KEY_BYTES = 32;
/** What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export class NKey implements KeyPair {
  readonly seed: string;
  readonly publicKey: string;
  readonly #key: KeyObject;

  /** `seed`: 'S', then a letter for whose it is, 58 characters in all. Throws in one line when it is none. */
  constructor(seed: string) {
    const { role, raw } = readSeed(seed);
    this.seed = seed;
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8, raw]), format: 'der', type: 'pkcs8' });
    this.publicKey = written([role], publicBytes(this.#key));
  }

  static generate(role: keyof typeof ROLES): NKey {
    const raw = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-KEY_BYTES);
    // Five bits a letter: the role's letter is the second one.
    const first = [SEED | (ROLES[role] >> 5), (ROLES[role] & 31) << 3];
    return new NKey(written(first, raw));
  }

  sign(input: Uint8Array): Uint8Array {
    return sign(null, input, this.#key);
  }

  verify(input: Uint8Array, signature: Uint8Array): boolean {
    return verify(null, input, this.#key, signature);
  }

  getPublicKey(): string {
    return this.publicKey;
  }

  getSeed(): Uint8Array {
    return Buffer.from(this.seed);
  }

  getPrivateKey(): Uint8Array {
    return Buffer.from(written([PRIVATE], Buffer.concat([readSeed(this.seed).raw, publicBytes(this.#key)])));
  }

  /** Keys are forgotten with the object. */
  clear(): void {}

  seal(): Uint8Array {
    throw new Error('a key that signs does not encrypt');
  }

  open(): Uint8Array {
    throw new Error('a key that signs does not encrypt');
  }
}

function publicBytes(key: KeyObject): Buffer {
  return Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url');
}

function readSeed(seed: string): { role: number; raw: Uint8Array } {
  const bytes = typeof seed === 'string' ? fromBase32(seed) : null;
  if (bytes?.length !== 2 + KEY_BYTES + 2)
    throw new Error('this is no seed of a NATS user: it has another length or alphabet');
  const end = bytes.length - 2;
  if (checksum(bytes.subarray(0, end)) !== bytes.readUInt16LE(end)) {
    throw new Error('this is no seed of a NATS user: its checksum is wrong');
  }
  const role = ((bytes[0] & 7) << 5) | (bytes[1] >> 3);
  if ((bytes[0] & ~7) !== SEED || !Object.values(ROLES).includes(role)) {
    throw new Error('this is no seed of a NATS user: it begins otherwise');
  }
  return { role, raw: bytes.subarray(2, end) };
}

function written(first: readonly number[], key: Uint8Array): string {
  const body = Buffer.concat([Buffer.from(first), key]);
  const end = Buffer.alloc(2);
  end.writeUInt16LE(checksum(body));
  return toBase32(Buffer.concat([body, end]));
}

/** CRC-16/XMODEM. */
function checksum(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}

/** RFC 4648, without padding. */
function toBase32(bytes: Uint8Array): string {
  let text = '';
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xffff;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += ALPHABET[(held >> (bits - 5)) & 31];
  }
  return bits === 0 ? text : text + ALPHABET[(held << (5 - bits)) & 31];
}

/** null: a letter that there is not. Bits at the end that make no byte are nothing. */
function fromBase32(text: string): Buffer | null {
  const bytes: number[] = [];
  let held = 0;
  let bits = 0;
  for (const letter of text) {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) return null;
    held = ((held << 5) | value) & 0xffff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 0xff);
  }
  return Buffer.from(bytes);
}
