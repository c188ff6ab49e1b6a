// How a foreign function behaves towards every guest: from a stream and from a root, with parameters and pointers that are wrong.

import assert from 'node:assert/strict';

import { type Calls, FAR, WRAPPING } from '../calls.ts';

const OK = 0;
const INVALID_MEMORY_ACCESS = 6;

type Parameters = string | Uint8Array;

export interface ForeignRow {
  /** Parameters that are right. */
  readonly right: Parameters;
  /** Of the right call from a stream; OK by default. */
  readonly status?: number;
  /** From a root; as from a stream by default. */
  readonly root?: number;
  readonly wrong?: readonly (readonly [Parameters, number])[];
}

export const words = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

export function callForeign(calls: Calls, name: string, parameters: Parameters = ''): number | undefined {
  return calls.env('proxy_call_foreign_function', ...calls.put(name), ...calls.put(parameters), ...calls.out);
}

/** `opened`: a guest in a stream, of which nothing was asked yet. */
export function checkForeign(name: string, row: ForeignRow, opened: () => Calls): void {
  const { right, status = OK, root = status, wrong = [] } = row;
  const calls = opened();
  assert.equal(callForeign(calls, name, right), status);
  for (const [parameters, expected] of wrong) {
    const shown = typeof parameters === 'string' ? parameters : Buffer.from(parameters.subarray(0, 12)).toString('hex');
    const now = calls.as(calls.context);
    assert.equal(callForeign(now, name, parameters), expected, `'${shown}', ${parameters.length} bytes`);
    now.end();
  }
  calls.as(calls.context);
  const [at, length] = calls.put(name);
  for (const bad of [FAR, WRAPPING, -1]) {
    const place = calls.put(right);
    for (const parameters of [
      [bad, length, ...place, ...calls.out],
      [at, length, bad, 8, ...calls.out],
      [at, length, place[0], bad, ...calls.out],
    ]) {
      const answer = calls.env('proxy_call_foreign_function', ...parameters);
      assert.equal(answer, INVALID_MEMORY_ACCESS, `${parameters}`);
    }
    if (status !== OK) continue;
    const answer = calls.env('proxy_call_foreign_function', at, length, ...place, bad, calls.out[1]);
    assert.equal(answer, INVALID_MEMORY_ACCESS, `the result goes to ${bad}`);
  }
  assert.equal(calls.env('proxy_call_foreign_function', at, length, ...calls.put(right), 0, 0), status, 'no result');
  const other = opened();
  assert.equal(callForeign(other.as(other.plugin.root), name, right), root, 'from a root');
}
