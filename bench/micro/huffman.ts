// Whether HPACK's Huffman code is worth its time, and whose loop is faster: bytes that it saves of what heads have, and nanoseconds
// of typed TypeScript and of AssemblyScript, to and from its memory. `node bench/micro/huffman.ts`.

import { compileModule } from '../../asbuild/compile.ts';
import { BYTE, codeLengths, decodeHuffman, MAY_END, NEXT } from '../../core/http2/huffman.ts';
import { tellUsage } from '../../scripts/usage.ts';
import { type Subject, timings } from './subject.ts';

const LENGTH = new Uint8Array(codeLengths().slice(0, 256));
const CODE = new Uint32Array(256);

/** RFC 7541 appendix B: the code is canonical. */
function build(): void {
  let code = 0;
  for (let length = 1; length <= 30; length++) {
    code = (code * 2) >>> 0;
    for (let symbol = 0; symbol < 256; symbol++) if (LENGTH[symbol] === length) CODE[symbol] = code++;
  }
}

build();

/** What an encoder asks first: a text that the code makes longer goes as it is. */
function encodedLength(from: Uint8Array, length: number): number {
  let bits = 0;
  for (let i = 0; i < length; i++) bits += LENGTH[from[i]];
  return (bits + 7) >>> 3;
}

function encode(from: Uint8Array, length: number, into: Uint8Array): number {
  let at = 0;
  let bits = 0;
  let pending = 0;
  for (let i = 0; i < length; i++) {
    let size = LENGTH[from[i]];
    let code = CODE[from[i]];
    if (size > 16) {
      // In two, since no more than 32 bits are held.
      pending += size - 16;
      bits = (bits << (size - 16)) | (code >>> 16);
      for (; pending >= 8; pending -= 8) into[at++] = bits >>> (pending - 8);
      size = 16;
      code &= 0xffff;
    }
    pending += size;
    bits = (bits << size) | code;
    for (; pending >= 8; pending -= 8) into[at++] = bits >>> (pending - 8);
  }
  if (pending > 0) into[at++] = (bits << (8 - pending)) | (0xff >>> pending);
  return at;
}

/** The same two loops. Texts lie at 0, what comes of them at 4096, the tables behind. */
const ASSEMBLY = `
const OUT: usize = 4096, LENGTH: usize = 8192, CODE: usize = 8448, NEXT: usize = 9472, BYTE: usize = 17664, MAY_END: usize = 25856;
export function encode(length: i32): i32 {
  let bits: u64 = 0, pending: u32 = 0, at: usize = OUT;
  for (let i = 0; i < length; i++) {
    const byte = <usize>load<u8>(i), size = <u32>load<u8>(LENGTH + byte);
    bits = (bits << size) | load<u32>(CODE + (byte << 2));
    pending += size;
    while (pending >= 8) { pending -= 8; store<u8>(at++, <u8>(bits >> pending)); }
  }
  if (pending > 0) store<u8>(at++, <u8>((bits << (8 - pending)) | (0xff >> pending)));
  return <i32>(at - OUT);
}
export function decode(length: i32): i32 {
  let node: u32 = 0, at: usize = OUT;
  for (let i = 0; i < length; i++) {
    const byte = <u32>load<u8>(i);
    let step = (node << 4) | (byte >> 4), next = <u32>load<u16>(NEXT + (step << 1));
    if (next == 0xffff) return -1;
    let out = load<i16>(BYTE + (step << 1));
    if (out >= 0) store<u8>(at++, <u8>out);
    step = (next << 4) | (byte & 15);
    next = <u32>load<u16>(NEXT + (step << 1));
    if (next == 0xffff) return -1;
    out = load<i16>(BYTE + (step << 1));
    if (out >= 0) store<u8>(at++, <u8>out);
    node = next;
  }
  return load<u8>(MAY_END + node) == 1 ? <i32>(at - OUT) : -1;
}
`;

interface Assembly {
  readonly memory: WebAssembly.Memory;
  encode(length: number): number;
  decode(length: number): number;
}

async function assembly(): Promise<{ module: Assembly; bytes: Uint8Array }> {
  const flags = ['--optimizeLevel', '3', '--runtime', 'stub', '--initialMemory', '1', '--memoryBase', '32768'];
  const compiled = await compileModule(import.meta.dirname, ASSEMBLY, flags);
  const imports = { env: { abort: () => undefined } };
  const instance = await WebAssembly.compile(compiled).then((module) => new WebAssembly.Instance(module, imports));
  const module = instance.exports as unknown as Assembly;
  const bytes = new Uint8Array(module.memory.buffer);
  bytes.set(LENGTH, 8192);
  for (const [table, at] of [
    [CODE, 8448],
    [NEXT, 9472],
    [BYTE, 17_664],
    [MAY_END, 25_856],
  ] as const) {
    bytes.set(new Uint8Array(table.buffer), at);
  }
  return { module, bytes };
}

/** What heads have that no table helps with: other for each request, or long. */
const TEXTS: readonly (readonly [name: string, text: string])[] = [
  ['a path', '/productpage?u=normal&page=27'],
  ['a request id', '5f0c1a52-8b1f-4f4c-9a53-7d5d1c0e9f77'],
  ['a traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
  ['a date', 'Mon, 01 Jan 2024 00:00:00 GMT'],
  [
    'a user agent',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36',
  ],
  ['a token of 300 bytes', 'eyJhbGciOiJSUzI1NiIsImtpZCI6IkRI'.repeat(10).slice(0, 300)],
];

function subjectsOf(name: string, text: string, { module, bytes }: Awaited<ReturnType<typeof assembly>>): Subject[] {
  const plain = Buffer.from(text);
  const coded = Buffer.alloc(1024);
  const size = encode(plain, plain.length, coded);
  const into = Buffer.alloc(1024);
  const copied = (from: Uint8Array, length: number, to: Uint8Array, at: number, start = 0): void => {
    for (let i = 0; i < length; i++) to[at + i] = from[start + i];
  };
  const does = (what: string, once: () => number, expected: number): Subject => ({
    name: `${what} ${name}`,
    budget: 0,
    run(times) {
      for (let i = 0; i < times; i++) if (once() !== expected) throw new Error(`${what} ${name}`);
    },
  });
  return [
    does(
      'copy',
      () => {
        copied(plain, plain.length, into, 0);
        return plain.length;
      },
      plain.length,
    ),
    does(
      'encode, TypeScript:',
      () => {
        const least = encodedLength(plain, plain.length);
        return least < plain.length ? encode(plain, plain.length, into) : 0;
      },
      size,
    ),
    does(
      'encode, AssemblyScript:',
      () => {
        copied(plain, plain.length, bytes, 0);
        const length = module.encode(plain.length);
        copied(bytes, length, into, 0, 4096);
        return length;
      },
      size,
    ),
    does('decode, TypeScript:', () => decodeHuffman(coded, 0, size, into, 0), plain.length),
    does(
      'decode, AssemblyScript:',
      () => {
        copied(coded, size, bytes, 0);
        const length = module.decode(size);
        copied(bytes, length, into, 0, 4096);
        return length;
      },
      plain.length,
    ),
  ];
}

tellUsage(
  'node bench/micro/huffman.ts: what the Huffman code of HPACK saves and costs, in TypeScript and in AssemblyScript',
);
const guest = await assembly();
for (const [name, text] of TEXTS) {
  const plain = Buffer.from(text);
  const size = encodedLength(plain, plain.length);
  process.stdout.write(`${name}: ${plain.length} bytes, ${size} in code\n`);
  for (const { name: what, nanoseconds } of timings(subjectsOf(name, text, guest))) {
    process.stdout.write(`  ${what.padEnd(52)} ${nanoseconds.toFixed(0).padStart(7)} ns\n`);
  }
}
