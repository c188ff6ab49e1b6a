// The thread that checks changes: what it does not get done costs the change that asked for it, and nobody else.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { EMPTY_STATE } from '../../bus/log/commit-format.ts';
import { ApiError } from '../../control/api-error.ts';
import { Checker, CheckerLostError } from '../../control/checker/checker.ts';
import type { Wanted } from '../../control/checker/messages.ts';
import { virtualService } from './harness.ts';

const checkers: Checker[] = [];
after(() => Promise.all(checkers.map((checker) => checker.close())));

function start(deadlineMs: number, log: string[] = []): Checker {
  const resources = new Map([['VirtualService/default/known', JSON.parse(known())]]);
  const checker = new Checker({
    ...{ state: () => ({ ...EMPTY_STATE, revision: 7, resources }), leases: () => new Map(), deadlineMs },
    onLog: (line) => log.push(line),
  });
  checkers.push(checker);
  return checker;
}

function known(subset = 'v1'): string {
  const http = [{ route: [{ destination: { host: 'known', subset } }] }];
  const metadata = { name: 'known', namespace: 'default' };
  const spec = { hosts: ['known'], http };
  return JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata, spec });
}

/** Of which a few take seconds to read. */
function huge(): string {
  const keys = Array.from({ length: 150_000 }, (_, n) => `k${n}: {a: [${n}, x]}`).join('\n');
  return `apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n${keys.replaceAll(/^/gm, '  ')}\n`;
}

test('a text that takes too long costs its own change an error, and whoever waits behind it asks anew', async () => {
  const log: string[] = [];
  const checker = start(300, log);
  const slow = Array.from({ length: 16 }, (_, n) => ({ name: `${n}.yaml`, text: huge() }));
  const [late, behind] = await Promise.allSettled([
    checker.decode(slow),
    checker.decode([{ name: 'a.yaml', text: virtualService('a') }]),
  ]);
  assert.ok(late.status === 'rejected' && late.reason instanceof ApiError);
  assert.equal(late.reason.status, 422);
  assert.equal(late.reason.message, 'the change could not be checked within 0.3 s: nothing was changed');
  assert.ok(behind.status === 'rejected' && behind.reason instanceof CheckerLostError);
  assert.deepEqual(log, [
    'the thread that checks changes is started again: the change could not be checked within 0.3 s',
  ]);
});

test('what was checked is known once it was committed, and taken back when it was not', async () => {
  const checker = start(60_000);
  const apply = async (text: string) => {
    const decoding = await checker.decode([{ name: 'a.yaml', text }]);
    const wanted: Wanted = { wants: 'apply', decoded: decoding.id, replaced: [] };
    const { revision, changes, upserts, removals } = await checker.check(wanted);
    checker.release(decoding);
    const [{ key, change }] = JSON.parse(changes) as { key: string; change: string }[];
    assert.equal(removals.length, 0);
    return [revision, key.split('/').at(-1), change, upserts.length];
  };
  assert.deepEqual(await apply(known()), [7, 'known', 'unchanged', 0]);
  assert.deepEqual(await apply(known('v2')), [7, 'known', 'configured', 1]);
  assert.deepEqual(await apply(known('v2')), [7, 'known', 'configured', 1], 'it was only tried');
  checker.publish()(8);
  assert.deepEqual(await apply(known('v2')), [8, 'known', 'unchanged', 0]);
  assert.deepEqual(await apply(virtualService('b')), [8, 'b', 'created', 1]);
  const settled = checker.publish();
  const body = JSON.parse(known('v3'));
  const place = { parent: 8, digest: '', epoch: 0, time: '', author: '', message: '', removals: [] };
  checker.committed({ ...place, revision: 9, upserts: [{ key: 'VirtualService/default/known', body }] });
  settled(null);
  assert.deepEqual(await apply(virtualService('b')), [9, 'b', 'created', 1], 'somebody else was first');
  assert.deepEqual(await apply(known('v3')), [9, 'known', 'unchanged', 0]);
});
