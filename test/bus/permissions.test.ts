import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { applyCommit } from '../../bus/commit-format.ts';
import { type Link, openLink } from '../../bus/link.ts';
import type { Credentials } from '../../bus/server-conf.ts';
import { inboxPrefix, type Role, subjectToken, tokenId } from '../../bus/subjects.ts';
import type { Bus } from '../../bus/types.ts';
import { until } from '../until.ts';
import { type Mesh, resources, startMesh, watch } from './harness.ts';

/** A bare connection, to do with a user's rights what the bus never would. */
async function connect(mesh: Mesh, role: Role, { user, password }: Credentials): Promise<Link['nc']> {
  const prefix = inboxPrefix(role, user);
  return (
    await openLink({ servers: [mesh.server.url], user, password, name: 'bare', inboxPrefix: prefix, waitMs: 5_000 })
  ).nc;
}

describe("a proxy's user", () => {
  let mesh: Mesh;
  let control: Bus;
  let intruder: Link['nc'];
  let refused: string[];

  before(async () => {
    mesh = await startMesh();
    control = await mesh.open('control');
    intruder = await connect(mesh, 'proxy', mesh.server.credentials.proxy);
    refused = [];
    void (async () => {
      for await (const { permissionContext } of intruder.status()) {
        if (permissionContext) refused.push(`${permissionContext.operation} ${permissionContext.subject}`);
      }
    })();
    const upserts = resources(1, 'good');
    await control.config.commit({ parent: 0, author: '', message: '', upserts, removals: [] });
  });
  after(async () => {
    await intruder.close();
    await mesh.stop();
  });

  for (const subject of [
    'weft.config.commit',
    'weft.config.manifest',
    'weft.log.commit',
    'weft.pulse',
    '$O.weft-config.C.x',
    '$O.weft-objects.M.x',
    '$JS.API.STREAM.DELETE.WEFT_CONFIG',
    '$JS.API.STREAM.PURGE.WEFT_CONFIG',
    '$JS.API.STREAM.UPDATE.WEFT_CONFIG',
    '$JS.API.STREAM.CREATE.mine',
    '$JS.API.STREAM.MSG.DELETE.WEFT_CONFIG',
    '$JS.API.CONSUMER.CREATE.WEFT_CONFIG',
    '$JS.API.CONSUMER.DURABLE.CREATE.WEFT_LEASES.x',
    '$JS.API.DIRECT.GET.WEFT_STATUS',
    '$JS.API.DIRECT.GET.WEFT_LEASES',
    'weft.endpoints.commit',
    'weft.log.endpoints',
    'weft.writer',
    '$SYS.REQ.SERVER.PING',
    '_INBOX_control.x',
  ]) {
    it(`may not publish to ${subject}`, async () => {
      intruder.publish(subject, '{}');
      await intruder.flush();
      await until('NATS refuses it', () => refused.includes(`publish ${subject}`));
    });
  }

  for (const subject of [
    '>',
    'weft.>',
    'weft.config.>',
    'weft.status.*',
    'weft.lease.*',
    '_INBOX_control.>',
    '_INBOX.>',
    '$SYS.>',
  ]) {
    it(`may not subscribe to ${subject}`, async () => {
      const subscription = intruder.subscribe(subject, { callback: () => {} });
      await intruder.flush();
      await until('NATS refuses it', () => refused.includes(`subscription ${subject}`));
      subscription.unsubscribe();
    });
  }

  it('cannot smuggle configuration in by having NATS answer to the log', async () => {
    // nats-server does not check where an answer goes: what was read comes as if it were published there.
    const proxy = await mesh.open('proxy');
    const follower = await watch(proxy.config, applyCommit);
    const query = JSON.stringify({ seq: 1 });
    for (const reply of ['weft.config.commit', 'weft.log.commit']) {
      intruder.publish('$JS.API.DIRECT.GET.WEFT_CONFIG', query, { reply });
    }
    await intruder.flush();
    const upserts = resources(1, 'better', 'other');
    await control.config.commit({ parent: 1, author: '', message: '', upserts, removals: [] });
    await follower.reached(2);
    const state = await control.config.load();
    assert.deepEqual(state.resources.get('Thing/default/r0'), { value: 'good' });
    assert.deepEqual(follower.state, state);
  });

  it('cannot speak for another proxy in a message about itself', async () => {
    const heard: string[] = [];
    await control.statuses.follow(({ proxy }) => heard.push(proxy));
    let leases: string[] = [];
    await control.leases.follow((set) => {
      leases = [...set.keys()];
    });
    const status = { revision: 1, ok: true, problems: [], shards: 1, ms: 1, time: '' };
    const lease = { ttlMs: 60_000, node: {}, endpoints: [], admin: '', version: '', startedAt: '' };
    intruder.publish('weft.status.me', JSON.stringify({ proxy: 'victim', ...status }));
    intruder.publish('weft.lease.me', JSON.stringify({ proxy: 'victim', ...lease }));
    intruder.publish('weft.status.me', '{"proxy": "me"');
    intruder.publish('weft.status.me', 'null');
    intruder.publish('weft.status.me', JSON.stringify({ proxy: 'me', ...status }));
    intruder.publish('weft.lease.me', JSON.stringify({ proxy: 'me', ...lease }));
    await until('what it says of itself arrives', () => heard.includes('me') && leases.includes('me'));
    assert.deepEqual([heard, leases], [['me'], ['me']]);
  });
});

describe('a proxy with a user of its own', () => {
  it('speaks for itself alone, and its making disturbs nobody', async (t) => {
    const mesh = await startMesh();
    t.after(() => mesh.stop());
    const events: string[] = [];
    const control = await mesh.open('control', { onConnection: (state) => events.push(state) });
    await mesh.open('proxy', { onConnection: (state) => events.push(state) });
    let leases: string[] = [];
    await control.leases.follow((set) => {
      leases = [...set.values()].map(({ proxy, admin }) => `${proxy} ${admin}`).sort();
    });
    const ids = ['a.b', 'c', '__proto__'];
    const users = await Promise.all(ids.map((id) => mesh.server.addProxy(id)));
    assert.deepEqual(await mesh.server.addProxy('c'), users[1]);
    assert.equal(new Set(users.map(({ password }) => password)).size, 3);
    const refused: string[] = [];
    const buses = await Promise.all(
      users.map((user) => mesh.open('proxy', { ...user, onConnection: (_, detail) => refused.push(detail) })),
    );
    const lease = { ttlMs: 60_000, node: {}, endpoints: [], admin: '', version: '', startedAt: '' };
    for (const [n, id] of ids.entries()) {
      for (const proxy of ids) await buses[n].leases.hold({ ...lease, proxy, admin: id });
    }
    await until('their leases are seen', () => leases.length === 3);
    await until(
      'the others are refused',
      () => refused.filter((detail) => detail.includes('PERMISSIONS_VIOLATION')).length === 6,
    );
    assert.deepEqual(leases, ids.map((id) => `${id} ${id}`).sort());
    const upserts = resources(3, 'x'.repeat(200_000));
    await control.config.commit({ parent: 0, author: '', message: '', upserts, removals: [] });
    assert.equal((await buses[0].config.load()).resources.size, 3);
    const nosy = await connect(mesh, 'proxy', users[0]);
    t.after(() => nosy.close());
    const denied: string[] = [];
    for (const inbox of ['_INBOX_proxy_c.>', '_INBOX_proxy.>']) {
      nosy.subscribe(inbox, { callback: (error) => denied.push(String(error?.code)) });
    }
    await until('the replies to others are out of reach', () => denied.length === 2);
    assert.deepEqual(denied, ['PERMISSIONS_VIOLATION', 'PERMISSIONS_VIOLATION']);
    assert.deepEqual(events, ['connected', 'connected']);
    await assert.rejects(mesh.server.addProxy(''), RangeError);

    await mesh.kill();
    await mesh.start();
    assert.deepEqual(await mesh.server.addProxy('c'), users[1], 'kept over restarts');
    await until('and let in again', () => buses[1].connected);
  });
});

describe('a follower that does not hear the log', () => {
  it('asks for itself after some seconds', async (t) => {
    const mesh = await startMesh();
    t.after(() => mesh.stop());
    const control = await mesh.open('control');
    const proxy = await mesh.open('proxy', { confirmMs: 100 });
    const follower = await watch(proxy.config, applyCommit);
    const deaf = await connect(mesh, 'control', mesh.server.credentials.control);
    t.after(() => deaf.close());
    // A log that is not republished: to a follower it is as if every message were lost.
    const manager = await deaf.jetstreamManager();
    const { config } = await manager.streams.info('WEFT_CONFIG');
    await manager.streams.delete('WEFT_CONFIG');
    await manager.streams.add({ ...config, republish: undefined });
    const upserts = resources(3, 'quiet');
    await control.config.commit({ parent: 0, author: '', message: '', upserts, removals: [] });
    await follower.reached(1);
    assert.equal(follower.state.resources.size, 3);
  });
});

describe('a node id', () => {
  it('is one subject token, whatever it consists of, and comes back the same', () => {
    for (const id of ['reviews-v1_1', 'a.b.c', 'sidecar~127.1.0.5~reviews.default', '*', '>', ' ', 'ü', '=41', 'a b']) {
      const token = subjectToken(id);
      assert.match(token, /^[A-Za-z0-9_=-]+$/);
      assert.equal(tokenId(token), id);
    }
    for (const id of ['', 'x'.repeat(201)]) assert.throws(() => subjectToken(id), RangeError);
    for (const token of ['', 'a.b', '=4', '=zz', 'ü']) assert.equal(tokenId(token), null);
  });
});
