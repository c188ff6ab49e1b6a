// SipHash-1-3: a fingerprint of 64 bits that nobody can aim without the key.

// @ts-ignore: decorator
@lazy
let v0: u64 = 0;
// @ts-ignore: decorator
@lazy
let v1: u64 = 0;
// @ts-ignore: decorator
@lazy
let v2: u64 = 0;
// @ts-ignore: decorator
@lazy
let v3: u64 = 0;

export function siphash(k0: u64, k1: u64, at: usize, length: i32): u64 {
  v0 = k0 ^ 0x736f6d6570736575;
  v1 = k1 ^ 0x646f72616e646f6d;
  v2 = k0 ^ 0x6c7967656e657261;
  v3 = k1 ^ 0x7465646279746573;
  const whole = at + (length & ~7);
  for (let p = at; p < whole; p += 8) compress(load<u64>(p));
  let last = <u64>length << 56;
  for (let i = 0; i < (length & 7); i++) last |= <u64>load<u8>(whole + i) << (<u64>i << 3);
  compress(last);
  v2 ^= 0xff;
  round();
  round();
  round();
  return v0 ^ v1 ^ v2 ^ v3;
}

function compress(word: u64): void {
  v3 ^= word;
  round();
  v0 ^= word;
}

function round(): void {
  v0 += v1;
  v2 += v3;
  v1 = rotl(v1, 13) ^ v0;
  v3 = rotl(v3, 16) ^ v2;
  v0 = rotl(v0, 32);
  v2 += v1;
  v0 += v3;
  v1 = rotl(v1, 17) ^ v2;
  v3 = rotl(v3, 21) ^ v0;
  v2 = rotl(v2, 32);
}
