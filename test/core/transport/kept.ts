// What was received of a connection, kept beyond the time for which it was lent.

import assert from 'node:assert/strict';
import { retainBytes } from '../../../core/transport/read-buffer.ts';

export class Kept {
  readonly chunks: Buffer[] = [];
  size = 0;
  onChunk: (() => void) | null = null;

  receive(chunk: Buffer): void {
    retainBytes();
    this.chunks.push(chunk);
    this.size += chunk.length;
    this.onChunk?.();
  }

  async reach(size: number): Promise<string> {
    while (this.size < size) await new Promise<void>((resolve) => (this.onChunk = resolve));
    return Buffer.concat(this.chunks).latin1Slice();
  }
}

/** Texts of these sizes by turns, to each of several connections: what each has kept is what was sent to it. */
export async function keepTheirBytes(
  connections: readonly { readonly kept: Kept; send(text: string): unknown }[],
  sizes: readonly number[],
): Promise<void> {
  const expected = connections.map(() => '');
  for (let round = 0; round < 30; round++) {
    for (const [i, { send }] of connections.entries()) {
      const text = String.fromCharCode(97 + ((round * 3 + i) % 26)).repeat(sizes[(round + i) % sizes.length]);
      expected[i] += text;
      send(text);
    }
  }
  for (const [i, { kept }] of connections.entries()) assert.equal(await kept.reach(expected[i].length), expected[i]);
}
