import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccessListener, AccessRecord, AccessRecords } from '../../../bus/access-types.ts';
import type { Caller } from '../../../control/access/caller.ts';
import { Refusals } from '../../../control/access/refusals.ts';
import { AccessTokens } from '../../../control/access/tokens.ts';

const BY: Caller = {
  name: 'admin',
  grants: [{ role: 'admin', namespaces: null }],
  expires: null,
  origin: { address: '127.0.0.1', client: '', request: 'POST /v1/access' },
};

/** The store of one process. */
class Records implements AccessRecords {
  readonly kept = new Map<string, AccessRecord>();
  readonly uses: string[] = [];
  listener: AccessListener | null = null;
  #sequence = 0;
  async get(name: string) {
    return this.kept.get(name) ?? null;
  }
  async put(name: string, body: AccessRecord['body'], after: number) {
    if ((this.kept.get(name)?.sequence ?? 0) !== after) return false;
    const record = { name, body: JSON.parse(JSON.stringify(body)), sequence: ++this.#sequence };
    this.kept.set(name, record);
    return true;
  }
  async remove(name: string) {
    this.kept.delete(name);
  }
  used(name: string) {
    this.uses.push(name);
  }
  async follow(on: AccessListener) {
    this.listener = on;
    on.all([...this.kept.values()]);
  }
}

describe('tokens', () => {
  it('are valid until they expire, to the millisecond, and then their name is free', async () => {
    let now = 1_000_000;
    const records = new Records();
    const tokens = await AccessTokens.open({ records, now: () => now });
    const grant = { role: 'viewer', namespaces: null } as const;
    const { token } = await tokens.create({ name: 'short', grant, ttlMs: 60_000 }, BY);
    now += 59_999;
    assert.equal(tokens.holder(token)?.name, 'short');
    now += 1;
    assert.throws(() => tokens.holder(token), { status: 401, message: /^the token short expired at 1970-/ });
    assert.equal(tokens.list()[0].state, 'expired');
    await assert.rejects(tokens.revoke('short', BY), { status: 409, message: 'the token short is expired already' });
    const next = await tokens.create({ name: 'short', grant, ttlMs: 60_000 }, BY);
    assert.equal(next.lastUsed, null);
    assert.equal(tokens.holder(token), null);
  });

  it('tell of their use once a minute', async () => {
    let now = 0;
    const records = new Records();
    const tokens = await AccessTokens.open({ records, now: () => now });
    const grant = { role: 'viewer', namespaces: null } as const;
    const { token } = await tokens.create({ name: 'busy', grant, ttlMs: 3_600_000 }, BY);
    for (; now < 120_000; now += 1_000) tokens.holder(token);
    assert.equal(records.uses.length, 2);
  });

  it('are at most a thousand: those that are over make room, the oldest first', async () => {
    let now = 1;
    const records = new Records();
    const tokens = await AccessTokens.open({ records, now: () => now });
    const grant = { role: 'viewer', namespaces: null } as const;
    for (let n = 0; n < 1_000; n++) {
      now++;
      await tokens.create({ name: `t${n}`, grant, ttlMs: n < 2 ? 5_000 : 1e9 }, BY);
    }
    const more = (name: string) => tokens.create({ name, grant, ttlMs: 1e9 }, BY);
    await assert.rejects(more('full'), { status: 409, message: 'there are 1000 tokens: revoke some' });
    now += 5_000;
    await more('one');
    await more('two');
    assert.deepEqual([records.kept.has('t0'), records.kept.has('t1'), records.kept.size], [false, false, 1_000]);
    await assert.rejects(more('three'), /revoke some/);
  });

  it('that a newer version writes in another way let nobody in', async () => {
    const records = new Records();
    const tokens = await AccessTokens.open({ records });
    const grant = { role: 'viewer', namespaces: null } as const;
    const { token } = await tokens.create({ name: 'odd', grant, ttlMs: 60_000 }, BY);
    const { body } = records.kept.get('odd')!;
    records.listener!.record({ name: 'odd', body: { ...body, grant: { role: 'god', namespaces: null } }, sequence: 9 });
    assert.equal(tokens.holder(token), null);
    assert.deepEqual(tokens.list(), []);
  });
});

describe('lines about what was refused', () => {
  it('are so many a minute, and then a number', () => {
    let now = 0;
    const log: string[] = [];
    const refusals = new Refusals({ onLog: (line) => log.push(line), now: () => now });
    for (let n = 0; n < 1_000; n++) refusals.tell('10.0.0.9', 'ci (viewer) may not');
    assert.equal(log.length, 30);
    now += 60_000;
    refusals.tell('10.0.0.9', 'again');
    assert.deepEqual(log.slice(30), ['970 more requests were refused', 'refused to 10.0.0.9: again']);
  });
});
