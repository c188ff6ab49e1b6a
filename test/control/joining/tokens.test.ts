import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KeptRecord, Records } from '../../../bus/types.ts';
import { readToken, tokenText } from '../../../control/joining/token.ts';
import { Tokens } from '../../../control/joining/tokens.ts';

const BOUNDS = { namespace: 'shop', serviceAccounts: ['api', 'web'], services: ['api'] };
const API = { namespace: 'shop', serviceAccount: 'api', node: 'sidecar~10.0.0.6~api-1.shop~shop.svc.cluster.local' };
const HOUR = { ttlMs: 3_600_000, uses: 1 };

/** As the store keeps them; what it keeps is to be seen. */
function inMemory() {
  const kept = new Map<string, KeptRecord>();
  let version = 0;
  const records: Records = {
    get: async (id) => kept.get(id) ?? null,
    async put(id, value, expected) {
      if ((kept.get(id)?.version ?? 0) !== expected) return false;
      kept.set(id, { id, value: structuredClone(value), version: ++version });
      return true;
    },
    async remove(id) {
      kept.delete(id);
    },
    all: async () => [...kept.values()],
  };
  return { records, kept };
}

function start() {
  const { records, kept } = inMemory();
  const clock = { now: 1_000_000 };
  const tokens = new Tokens(records, () => clock.now);
  return { tokens, records, kept, clock };
}

describe('a token to join by', () => {
  it('makes as many machines as it is for, each with a proof of its own, and keeps no secret', async () => {
    const { tokens, kept } = start();
    const { id, proof } = await tokens.create(BOUNDS, { ttlMs: 60_000, uses: 2 });
    const first = await tokens.join(proof, 'one');
    const second = await tokens.join(proof, 'two');
    assert.notEqual(first.proof, second.proof);
    assert.deepEqual({ ...first, id: '', proof: '' }, { ...BOUNDS, id: '', proof: '' });
    await assert.rejects(tokens.join(proof, 'three'), { status: 401, message: `the token ${id} is used up` });
    const text = JSON.stringify([...kept.values()]);
    for (const secret of [proof, first.proof, second.proof]) assert.ok(!text.includes(secret.split('.')[1]));
    const [told] = await tokens.list();
    assert.deepEqual(
      [told.state, told.left, told.machines.map(({ name }) => name).sort()],
      ['used up', 0, ['one', 'two']],
    );
  });

  it('is used once by two that use its last use at the same moment', async () => {
    const { tokens, records, clock } = start();
    const { proof } = await tokens.create(BOUNDS, HOUR);
    const other = new Tokens(records, () => clock.now);
    const results = await Promise.allSettled([tokens.join(proof, 'one'), other.join(proof, 'two')]);
    assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  });

  it('is told from one that expired, was revoked, was guessed, or is none', async () => {
    const { tokens, clock } = start();
    const [late, out, guessed] = await Promise.all([1, 2, 3].map(() => tokens.create(BOUNDS, HOUR)));
    await tokens.revoke(out.id);
    await assert.rejects(tokens.join(out.proof, 'm'), { status: 401, message: `the token ${out.id} is revoked` });
    const wrong = `${guessed.id}.${late.proof.split('.')[1]}`;
    for (const proof of [wrong, '', 'abc', `aaaaaaaaaaaa.${'A'.repeat(43)}`, `${guessed.proof}x`]) {
      await assert.rejects(tokens.join(proof, 'm'), { status: 401, message: 'this mesh knows no such token' });
    }
    clock.now += HOUR.ttlMs;
    const message = `the token ${late.id} is expired, since ${new Date(clock.now).toISOString()}`;
    await assert.rejects(tokens.join(late.proof, 'm'), { status: 401, message });
    await assert.rejects(tokens.revoke('aaaaaaaaaaaa'), { status: 404 });
  });

  it('lets its machine enrol for its service accounts, as long as it is not revoked itself or with the token', async () => {
    const { tokens, clock } = start();
    const { id, proof } = await tokens.create(BOUNDS, { ttlMs: 60_000, uses: 2 });
    const [one, two] = [await tokens.join(proof, 'one'), await tokens.join(proof, 'two')];
    // The token's own time is over; the machines are there.
    clock.now += 1_000_000;
    assert.deepEqual(await tokens.mayEnrol(one.proof, API), BOUNDS);
    const foreign = [
      { ...API, serviceAccount: 'bank' },
      { ...API, namespace: 'bank' },
      { ...API, node: 'sidecar~10.0.0.6~api-1.bank~bank.svc.cluster.local' },
      { ...API, node: 'shop' },
    ];
    for (const wanted of foreign) await assert.rejects(tokens.mayEnrol(one.proof, wanted), { status: 403 });
    await assert.rejects(tokens.join(one.proof, 'another'), { status: 401, message: /no token to join by/ });
    assert.deepEqual(await tokens.revoke(one.id), { machines: 0 });
    await assert.rejects(tokens.mayEnrol(one.proof, API), { status: 401, message: `the token ${one.id} is revoked` });
    await tokens.mayEnrol(two.proof, API);
    assert.deepEqual(await tokens.revoke(id), { machines: 1 });
    await assert.rejects(tokens.mayEnrol(two.proof, API), {
      message: `the token that machine ${two.id} joined by was revoked`,
    });
  });

  it('stands for one proxy itself, which is one of its uses', async () => {
    const { tokens } = start();
    const { id, proof } = await tokens.create(BOUNDS, HOUR);
    await tokens.mayEnrol(proof, API);
    await assert.rejects(tokens.mayEnrol(proof, API), { status: 401, message: `the token ${id} is used up` });
  });

  it('is one line that is read again, and nothing that is not all of it', () => {
    const whole = {
      api: 'https://10.0.0.5:15010',
      fingerprint: 'f'.repeat(43),
      proof: `abcdefghijkm.${'s'.repeat(43)}`,
    };
    const text = tokenText(whole);
    assert.equal(text, `weft1/10.0.0.5:15010/${whole.fingerprint}/${whole.proof}`);
    assert.deepEqual(readToken(text), whole);
    const six = { ...whole, api: 'https://[fd00::5]:15010' };
    assert.deepEqual(readToken(tokenText(six)), six);
    for (const broken of [
      '',
      text.slice(0, -1),
      `${text}x`,
      text.slice(1),
      text.replace('weft1', 'weft2'),
      `${text}\n${text}`,
      text.replace('10.0.0.5', 'evil.example'),
    ]) {
      assert.equal(readToken(broken), null, broken);
    }
  });
});
