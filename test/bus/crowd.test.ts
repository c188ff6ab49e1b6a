// What many proxies cost NATS and control planes: messages are counted, never time.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openLink } from '../../bus/dial.ts';
import { spreadOf } from '../../bus/heads.ts';
import type { Clock } from '../../bus/leases.ts';
import { readSign } from '../../bus/life-signs.ts';
import type { Link } from '../../bus/link.ts';
import { INFO_PREFIX, inboxPrefix, LEASE_STREAM, STATUS_STREAM } from '../../bus/subjects.ts';
import type { Bus, Lease, ProxyStatus } from '../../bus/types.ts';
import { accountUser } from '../../bus/users/accounts.ts';
import { fixedLogin } from '../../bus/users/login.ts';
import { until } from '../until.ts';
import { type Mesh, startMesh } from './harness.ts';

const PROXIES = 50;
const TTL_MS = 3_000;
const RENEWALS_A_STORE = 12;

/** Time passes when the test says so. */
class TurnedClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly ms: number; next: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  every(ms: number, callback: () => void): () => void {
    const timer = { ms, next: this.#now + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [first] = [...this.#timers].sort((a, b) => a.next - b.next);
      if (first === undefined || first.next > end) break;
      this.#now = first.next;
      first.next += first.ms;
      first.callback();
    }
    this.#now = end;
  }
}

function lease(proxy: string): Lease {
  return { proxy, ttlMs: TTL_MS, node: {}, endpoints: [], admin: '', version: '1', startedAt: 'then' };
}

function status(proxy: string, revision: number, problems: readonly unknown[] = []): ProxyStatus {
  return { proxy, revision, ok: true, problems, shards: 2, ms: 1.5, time: '2026-01-01T00:00:00.000Z' };
}

describe('many proxies on the bus', () => {
  let mesh: Mesh;
  let system: Link;
  let account: Link;
  let control: Bus;
  const clock = new TurnedClock();
  const readerClock = new TurnedClock();
  const proxies: Bus[] = [];
  let leases: ReadonlyMap<string, Lease> = new Map();
  const statuses: ProxyStatus[] = [];

  const link = async (of: 'system' | 'mesh') => {
    const login = fixedLogin(await accountUser(mesh.server.credentials.control.keys, of));
    const common = { name: 'test', inboxPrefix: inboxPrefix(), infoPrefix: INFO_PREFIX, waitMs: 10_000 };
    return openLink({ servers: [mesh.server.url], login, ...common });
  };
  /** Messages that came from clients. */
  const received = async (): Promise<number> =>
    (await system.request('$SYS.REQ.SERVER.PING', '')).json<{ statsz: { received: { msgs: number } } }>().statsz
      .received.msgs;
  const stored = async (stream: string): Promise<number> => (await account.stream(stream))!.last;
  const heardAll = (what: string, revision: number) =>
    until(what, () => new Set(statuses.filter((s) => s.revision === revision).map((s) => s.proxy)).size === PROXIES);

  before(async () => {
    mesh = await startMesh();
    control = await mesh.open('control', { clock: readerClock });
    [system, account] = [await link('system'), await link('mesh')];
    await control.leases.follow((current) => {
      leases = current;
    });
    await control.statuses.follow((each) => statuses.push(each));
    for (let i = 0; i < PROXIES; i++) {
      const bus = await mesh.open('proxy', { node: `p${i}`, clock });
      await bus.leases.hold(lease(`p${i}`));
      proxies.push(bus);
    }
    await until('all are known', () => leases.size === PROXIES);
  });
  after(async () => {
    await Promise.all([system, account].map((each) => each.close()));
    await mesh.stop();
  });

  it('renew by a message that nothing stores, and store their lease anew every twelfth time', async () => {
    const before = { stored: await stored(LEASE_STREAM), received: await received() };
    for (let i = 0; i < RENEWALS_A_STORE; i++) clock.pass(TTL_MS / 3);
    await until('all have stored', async () => (await stored(LEASE_STREAM)) >= before.stored + PROXIES);
    assert.equal((await stored(LEASE_STREAM)) - before.stored, PROXIES);
    const renewals = PROXIES * RENEWALS_A_STORE;
    // Not all have come once all have stored: a proxy does so somewhere between two signs of life.
    await until('all have come', async () => (await received()) >= before.received + renewals);
    const sent = (await received()) - before.received;
    assert.ok(sent < renewals + 100, `${sent} messages for ${renewals} renewals`);
    readerClock.pass(TTL_MS * 2 - 100);
    assert.equal(leases.size, PROXIES);
  });

  it('answer for a revision by one message that nothing stores, which whoever comes later is told of, too', async () => {
    const before = await received();
    for (const [i, bus] of proxies.entries()) bus.statuses.report(status(`p${i}`, 7));
    await heardAll('all answered', 7);
    const sent = (await received()) - before;
    assert.ok(sent >= PROXIES && sent < PROXIES + 20, `${sent} messages for ${PROXIES} answers`);
    assert.equal(await stored(STATUS_STREAM), 0);
    const { from, ...said } = statuses.find(({ revision, proxy }) => revision === 7 && proxy === 'p3')!;
    assert.deepEqual([said, from?.node], [status('p3', 7), 'p3']);
    // It asks, and hears of everybody without a renewal.
    const later = new Map<string, number>();
    const other = await mesh.open('control');
    await other.statuses.follow(({ proxy, revision }) => later.set(proxy, revision));
    await until('the other one knows', () => later.size === PROXIES && [...later.values()].every((each) => each === 7));
  });

  it('store what is wrong, which ends with the next answer that all is well', async () => {
    proxies[0].statuses.report(status('p0', 8, [{ severity: 'warning' }]));
    await until('it is told', () => statuses.some(({ proxy, problems }) => proxy === 'p0' && problems.length === 1));
    assert.equal(await stored(STATUS_STREAM), 1);
    // A sign of life says nothing of what is wrong, and takes nothing back.
    const told = statuses.length;
    clock.pass(TTL_MS / 3);
    proxies[0].statuses.report(status('p0', 9));
    await until('all is well again', () => statuses.at(-1)?.revision === 9);
    assert.deepEqual(
      statuses.slice(told).map(({ revision }) => revision),
      [9],
    );
    const newest = new Map<string, ProxyStatus>();
    const other = await mesh.open('control');
    await other.statuses.follow((each) => newest.set(each.proxy, each));
    await until('who comes later knows the newest', () => newest.get('p0')?.revision === 9);
  });

  it('that were taken for gone come back with the lease that they stored', async () => {
    readerClock.pass(TTL_MS * 2);
    // Their silence counts while the bus delivers.
    for (let i = 0; i < 60 && leases.size > 0; i++) {
      readerClock.pass(500);
      await delay(20);
    }
    assert.equal(leases.size, 0);
    await until('all are back', () => {
      clock.pass(TTL_MS / 3);
      readerClock.pass(600);
      return leases.size === PROXIES;
    });
  });

  it('that are told where the logs stand ask nothing themselves', async () => {
    for (const { config, endpoints } of proxies) {
      await config.follow(null, { commit: () => {}, state: () => {} });
      await endpoints.follow(null, { commit: () => {}, state: () => {} });
    }
    // Each tell is two questions and a message; without it each proxy asks for each log about every second.
    const quiet = async (): Promise<boolean> => {
      const before = await received();
      let tells = 0;
      for (const end = performance.now() + 1_500; performance.now() < end; tells++) {
        await control.heads.tell(PROXIES);
        await delay(50);
      }
      return (await received()) - before < tells * 3 + PROXIES;
    };
    // A machine that stands still for a second makes them ask.
    await until('nobody asks', quiet);
  });
});

describe('a sign of life', () => {
  it('that is none says nothing', () => {
    const wrong = [
      '',
      'x',
      '1',
      '1 2 3',
      '1 2 3 4 5',
      '-1 2 3 4',
      '1.5 2 3 4',
      '1 2 1e9 4',
      '1 2 3 \x1b[31m',
      `${'9'.repeat(30)} 1 1 1`,
    ];
    for (const said of wrong) assert.equal(readSign('p', said), null, said);
    assert.equal(readSign('p', '3 2 0.25 2026-01-01T00:00:00Z')?.ms, 0.25);
  });

  it('is asked for within a time that grows with the mesh, and has an end', () => {
    assert.deepEqual([0, 300, 1_000, 1_000_000].map(spreadOf), [0, 600, 2_000, 8_000]);
  });
});
