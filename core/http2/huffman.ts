// The Huffman code of HPACK (RFC 7541 5.2 and appendix B), from bits to bytes. The code is canonical, so that the length of each
// symbol's code says all of it; the decoder is a machine that takes four bits at a time, made once when this file is loaded.

/** [length of code, how many symbols in a row have it], from symbol 0 to 255. */
const LENGTHS =
  '13 23 28*7 24 30 28*2 30 28*8 30 28*9 6 10*2 12 13 6 8 11 10*2 8 11 8 6*3 5*3 6*7 7 8 15 6 12 10 13 6 7*22 8 7 8 13 19 13 14 6 15 ' +
  '5 6 5 6 5 6*3 5 7*2 6*3 5 6 7 6 5*2 6 7*5 15 11 14 13 28 20 22 20*2 22*3 23 22 23*5 24 23 24*2 22 23 24 23*4 21 22 23 22 23*2 24 ' +
  '22 21 20 22*2 23*2 21 23 22*2 24 21 22 23*2 21*2 22 21 23 22 23*2 20 22*3 23 22*2 23 26*2 20 19 22 23 22 25 26*3 27*2 26 24 25 19 ' +
  '21 26 27*2 26 27 24 21*2 26*2 28 27*3 20 24 20 21 22 21*2 23 22*2 25*2 24*2 26 23 26 27 26*2 27*5 28 27*5 26';
const END = 256;
const END_LENGTH = 30;

/** Of each symbol, the end's behind those of the bytes. */
export function codeLengths(): number[] {
  const lengths = LENGTHS.split(' ').flatMap((run) => {
    const [length, times = '1'] = run.split('*');
    return new Array<number>(Number(times)).fill(Number(length));
  });
  return [...lengths, END_LENGTH];
}

/** The code's tree: two children a node, and a leaf as -1 - symbol. */
function tree(): number[][] {
  const lengths = codeLengths();
  const nodes: number[][] = [[0, 0]];
  let code = 0;
  for (let length = 1; length <= END_LENGTH; length++) {
    code *= 2;
    for (let symbol = 0; symbol <= END; symbol++) {
      if (lengths[symbol] !== length) continue;
      let node = 0;
      for (let bit = length - 1; bit > 0; bit--) {
        const side = (code >>> bit) & 1;
        if (nodes[node][side] === 0) nodes[node][side] = nodes.push([0, 0]) - 1;
        node = nodes[node][side];
      }
      nodes[node][code & 1] = -1 - symbol;
      code++;
    }
  }
  return nodes;
}

/** What four bits lead to from a node: the next node, a byte if one is complete, and whether the text may end there. */
export const NEXT = new Uint16Array(256 * 16);
export const BYTE = new Int16Array(256 * 16).fill(-1);
export const MAY_END = new Uint8Array(256);
const FAILED = 0xffff;

function build(): void {
  const nodes = tree();
  for (let from = 0; from < nodes.length; from++) {
    for (let bits = 0; bits < 16; bits++) {
      let node = from;
      let at = from * 16 + bits;
      for (let bit = 3; bit >= 0; bit--) {
        node = nodes[node][(bits >>> bit) & 1];
        if (node >= 0) continue;
        if (-1 - node === END) at = -1;
        else BYTE[at] = -1 - node;
        if (at < 0) break;
        node = 0;
      }
      NEXT[from * 16 + bits] = at < 0 ? FAILED : node;
    }
  }
  // Padding is the beginning of the code of the end, less than a byte of it: ones.
  for (let node = 0, length = 0; length < 8; length++, node = nodes[node][1]) MAY_END[node] = 1;
}

build();

/** Writes the text whose code is `length` bytes at `start` to `into`, which has room. Returns the offset after it; -1: that is no text's code. */
export function decodeHuffman(bytes: Buffer, start: number, length: number, into: Buffer, at: number): number {
  let node = 0;
  const end = start + length;
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    let step = (node << 4) | (byte >>> 4);
    let next = NEXT[step];
    if (next === FAILED) return -1;
    if (BYTE[step] >= 0) into[at++] = BYTE[step];
    step = (next << 4) | (byte & 15);
    next = NEXT[step];
    if (next === FAILED) return -1;
    if (BYTE[step] >= 0) into[at++] = BYTE[step];
    node = next;
  }
  return MAY_END[node] === 1 ? at : -1;
}

/** A text of so many bytes in code has at most this many. */
export function mostDecoded(length: number): number {
  return Math.ceil((length * 8) / 5);
}
