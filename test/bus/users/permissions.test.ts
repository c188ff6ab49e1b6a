import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openLink } from '../../../bus/dial.ts';
import type { Link } from '../../../bus/link.ts';
import { applyCommit, EMPTY_STATE } from '../../../bus/log/commit-format.ts';
import { INFO_PREFIX, inboxPrefix, PROXY_INFO_PREFIX, subjectToken, tokenId } from '../../../bus/subjects.ts';
import type { Bus, ConfigState, ProxyStatus, ProxyUser } from '../../../bus/types.ts';
import { proxyUser } from '../../../bus/users/accounts.ts';
import { fixedLogin, ProxyLogin } from '../../../bus/users/login.ts';
import { NKey } from '../../../bus/users/nkey.ts';
import { until } from '../../until.ts';
import { type Mesh, resources, startMesh, type Watched, watch } from '../harness.ts';
import { versions } from '../server/versions.ts';

/** A bare connection, to do with a user's rights what the bus never would. */
async function connect(mesh: Mesh, user: ProxyUser): Promise<Link> {
  const login = new ProxyLogin(user);
  await login.enrol();
  const prefix = inboxPrefix(user.identity);
  return openLink({
    servers: [mesh.server.url],
    login,
    name: 'bare',
    inboxPrefix: prefix,
    infoPrefix: PROXY_INFO_PREFIX,
    waitMs: 5_000,
  });
}

const LEASE = { ttlMs: 60_000, node: {}, endpoints: [], admin: '', version: '', startedAt: '' };
const STATUS = { revision: 1, ok: true, problems: [], shards: 1, ms: 1, time: '' };

const REFUSED_SUBJECTS = [
  'weft.config.commit',
  'weft.config.manifest',
  'weft.log.commit',
  'weft.endpoints.commit',
  'weft.endpoints.manifest',
  'weft.log.endpoints',
  'weft.writer',
  'weft.pulse',
  'weft.user.default.default.thief.UX',
  'weft.revoked.UX',
  'weft.lease.default.default.victim',
  'weft.lease.other.default.thief',
  'weft.lease.default.other.thief',
  'weft.status.default.default.victim',
  'weft.alive.default.default.victim',
  'weft.alive.default.other.thief',
  'weft.log.heads',
  'weft.log.call',
  'weft.renew.default.default.victim',
  'weft.certificate.default.default.victim',
  'weft.certificate.default.other.thief',
  'weft.secret.default.default.victim',
  'weft.sealed.x',
  '$JS.API.DIRECT.GET.WEFT_SECRETS',
  'weft.trust',
  'weft.token.x',
  'weft.ask.default.default.victim',
  'weft.answer.default.default.victim',
  'weft.info.WEFT_TOKENS',
  '$JS.API.DIRECT.GET.WEFT_TOKENS',
  '$O.weft-config.C.x',
  '$O.weft-objects.M.x',
  '$JS.API.STREAM.INFO.WEFT_CONFIG',
  'weft.info.WEFT_LEASES',
  'weft.info.WEFT_USERS',
  '$JS.API.STREAM.DELETE.WEFT_CONFIG',
  '$JS.API.STREAM.PURGE.WEFT_CONFIG',
  '$JS.API.STREAM.UPDATE.WEFT_CONFIG',
  '$JS.API.STREAM.CREATE.mine',
  '$JS.API.STREAM.MSG.DELETE.WEFT_CONFIG',
  '$JS.API.CONSUMER.CREATE.WEFT_CONFIG',
  '$JS.API.CONSUMER.DURABLE.CREATE.WEFT_LEASES.x',
  '$JS.API.DIRECT.GET.WEFT_STATUS',
  '$JS.API.DIRECT.GET.WEFT_LEASES',
  '$JS.API.DIRECT.GET.WEFT_USERS',
  '$SYS.REQ.SERVER.PING',
  '$SYS.REQ.ACCOUNT.A.CLAIMS.UPDATE',
  '_INBOX_control.x',
  '_INBOX.default.default.victim.x',
];

const UNHEARD_SUBJECTS = [
  '>',
  'weft.>',
  'weft.config.>',
  'weft.status.>',
  'weft.lease.>',
  'weft.alive.>',
  'weft.renew.>',
  'weft.ask.>',
  'weft.ask.default.default.victim',
  'weft.answer.>',
  '_INBOX_control.>',
  '_INBOX.>',
  '_INBOX.default.default.victim.>',
  '$SYS.>',
  '$JS.>',
];

/** A stolen answer must do nothing wherever it is led. */
const REPLY_SUBJECTS = [
  '$JS.API.STREAM.DELETE.WEFT_CONFIG',
  '$JS.API.STREAM.PURGE.WEFT_CONFIG',
  '$JS.API.STREAM.MSG.DELETE.WEFT_CONFIG',
  '$O.weft-objects.M.x',
  '$O.weft-config.C.x',
  'weft.config.commit',
  'weft.config.manifest',
  'weft.log.commit',
  'weft.endpoints.commit',
  'weft.log.endpoints',
  'weft.lease.default.default.victim',
  'weft.status.default.default.victim',
  'weft.alive.default.default.victim',
  'weft.log.heads',
  'weft.log.call',
  'weft.writer',
  'weft.pulse',
  '_INBOX.default.default.victim.x',
];

const available = await versions();
for (const { name, folder } of [available[0], available.at(-1)!].slice(0, available.length)) {
  describe(`a stolen sidecar, on ${name} nats-server`, () => {
    let mesh: Mesh;
    let control: Bus;
    let thief: Link;
    let victim: Watched;
    const refused: string[] = [];
    const statuses: ProxyStatus[] = [];
    let leases: string[] = [];

    before(async () => {
      mesh = await startMesh({ path: await folder() });
      control = await mesh.open('control');
      await control.config.commit({ parent: 0, author: '', message: '', upserts: resources(1, 'good'), removals: [] });
      const proxy = await mesh.open('proxy', { node: 'victim' });
      victim = await watch(proxy.config, applyCommit);
      await control.statuses.follow((status) => statuses.push(status));
      await control.leases.follow((set) => {
        leases = [...set.values()].map(({ proxy: id, admin }) => `${id} ${admin}`).sort();
      });
      await proxy.leases.hold({ ...LEASE, proxy: 'victim', admin: 'its own' });
      thief = await connect(mesh, mesh.user('thief'));
      void (async () => {
        for await (const { permissionContext } of thief.nc.status()) {
          if (permissionContext) refused.push(`${permissionContext.operation} ${permissionContext.subject}`);
        }
      })();
    });
    after(async () => {
      await thief.close();
      await mesh.stop();
    });

    for (const subject of REFUSED_SUBJECTS) {
      it(`may not publish to ${subject}`, async () => {
        thief.nc.publish(subject, '{}');
        await thief.nc.flush();
        await until('NATS refuses it', () => refused.includes(`publish ${subject}`));
      });
    }

    for (const subject of UNHEARD_SUBJECTS) {
      it(`may not subscribe to ${subject}`, async () => {
        const subscription = thief.nc.subscribe(subject, { callback: () => {} });
        await thief.nc.flush();
        await until('NATS refuses it', () => refused.includes(`subscription ${subject}`));
        subscription.unsubscribe();
      });
    }

    it('does nothing with an answer that it leads somewhere else', async () => {
      const said = statuses.length;
      for (const reply of REPLY_SUBJECTS) {
        thief.nc.publish('$JS.API.DIRECT.GET.WEFT_CONFIG', JSON.stringify({ seq: 1 }), { reply });
        thief.nc.publish('weft.lease.default.default.thief', JSON.stringify({ ...LEASE, proxy: 'thief' }), { reply });
        thief.nc.publish('weft.renew.default.default.thief', 'UX', { reply });
      }
      await thief.nc.flush();
      const upserts = resources(1, 'better', 'other');
      const { revision } = await control.config.commit({ parent: 1, author: '', message: '', upserts, removals: [] });
      assert.equal(revision, 2, 'nothing came between');
      await victim.reached(2);
      const state: ConfigState = await control.config.load();
      assert.deepEqual(state.resources.get('Thing/default/r0'), { value: 'good' });
      assert.deepEqual(victim.state.resources, state.resources);
      assert.equal((await control.endpoints.load()).revision, 0);
      assert.deepEqual(await control.objects.list(), []);
      assert.equal(statuses.length, said);
      await until('its own lease is seen', () => leases.length === 2);
      assert.deepEqual(leases, ['thief ', 'victim its own']);
    });

    it('speaks for nobody else in a message about itself', async () => {
      thief.nc.publish('weft.status.default.default.thief', JSON.stringify({ proxy: 'victim', ...STATUS }));
      thief.nc.publish(
        'weft.lease.default.default.thief',
        JSON.stringify({ ...LEASE, proxy: 'victim', admin: 'forged' }),
      );
      thief.nc.publish('weft.status.default.default.thief', '{"proxy": "thief"');
      thief.nc.publish('weft.status.default.default.thief', 'null');
      thief.nc.publish('weft.status.default.default.thief', JSON.stringify({ proxy: 'thief', ...STATUS }));
      await until('what it says of itself arrives', () => statuses.some(({ proxy }) => proxy === 'thief'));
      assert.equal(
        statuses.some(({ proxy }) => proxy === 'victim'),
        false,
      );
      assert.deepEqual(statuses.at(-1)?.from, { namespace: 'default', serviceAccount: 'default', node: 'thief' });
      assert.deepEqual(leases, ['thief ', 'victim its own']);
    });

    it('cannot take a name that another namespace has in use', async () => {
      const twin = await connect(mesh, mesh.user('victim', { namespace: 'evil' }));
      twin.nc.publish('weft.lease.evil.default.victim', JSON.stringify({ ...LEASE, proxy: 'victim', admin: 'taken' }));
      await twin.nc.flush();
      thief.nc.publish(
        'weft.lease.default.default.thief',
        JSON.stringify({ ...LEASE, proxy: 'thief', admin: 'later' }),
      );
      await until('what came after it arrives', () => leases.includes('thief later'));
      assert.deepEqual(leases, ['thief later', 'victim its own']);
      await twin.close();
    });

    it('floods nobody: what it repeats is told once, and the others work on', async () => {
      for (let n = 0; n < 2_000; n++) {
        const admin = `flood ${n}`;
        thief.nc.publish('weft.lease.default.default.thief', JSON.stringify({ ...LEASE, proxy: 'thief', admin }));
      }
      await thief.nc.flush();
      const upserts = resources(1, 'best', 'other');
      await control.config.commit({ parent: 2, author: '', message: '', upserts, removals: [] });
      await victim.reached(3);
      await until('its last word stands', () => leases.includes('thief flood 1999'));
    });

    it('sends nothing that is larger than a lease may be', async () => {
      const login = new ProxyLogin(mesh.user('large'));
      await login.enrol();
      const large = await openLink({
        servers: [mesh.server.url],
        login,
        name: 'large',
        inboxPrefix: '_INBOX.default.default.large',
        infoPrefix: PROXY_INFO_PREFIX,
        waitMs: 5_000,
      });
      // A client that does not heed what the server says.
      large.nc.info!.max_payload = 1_000_000;
      large.nc.publish('weft.lease.default.default.large', 'x'.repeat(200_000));
      await until('NATS ends the connection', () => !large.connected);
      await large.close();
    });

    it('is let in with no expired user, and put out when it expires', async () => {
      const { keys } = mesh.server.credentials.control;
      const { identity } = mesh.user('short');
      const seed = NKey.generate('user').seed;
      const expiring = (seconds: number): ProxyUser => ({
        ...{ identity, seed, jwt: '', keep: () => {} },
        enrol: async (key) => proxyUser(keys, key, identity, Math.floor(Date.now() / 1_000) + seconds),
      });
      await assert.rejects(connect(mesh, { ...expiring(-5) }), /the user is not known there, or not any more/);
      const short = await connect(mesh, expiring(2));
      const login = short.nc;
      await until('it is put out', () => !short.connected || login.isClosed());
      await short.close();
    });

    it('is let in with no user that another mesh made', async () => {
      const other = await startMesh({ path: await folder() });
      const { control: foreign } = other.server.credentials;
      const stranger = {
        servers: [mesh.server.url],
        name: 'x',
        inboxPrefix: '_INBOX',
        infoPrefix: INFO_PREFIX,
        waitMs: 200,
      };
      await assert.rejects(
        openLink({ ...stranger, login: fixedLogin(foreign) }),
        /the user is not known there, or not any more/,
      );
      await other.stop();
    });
  });
}

describe("a proxy's user", () => {
  it('is let in and speaks for itself also with names as long as names may be', async (t) => {
    const mesh = await startMesh();
    t.after(() => mesh.stop());
    const longest = '\u{1F578}'.repeat(100);
    const identity = { namespace: longest, serviceAccount: longest, node: longest };
    const control = await mesh.open('control');
    const proxy = await mesh.open('proxy', { user: mesh.user(longest, identity) });
    let alive: string[] = [];
    await control.leases.follow((leases) => {
      alive = [...leases.keys()];
    });
    await proxy.leases.hold({ ...LEASE, proxy: longest });
    await until('its lease is seen', () => alive.includes(longest));
    assert.deepEqual(await proxy.config.load(), EMPTY_STATE);
  });

  it('is renewed over the bus before it expires, without a gap, and is out for good once it is revoked', async (t) => {
    const mesh = await startMesh();
    t.after(() => mesh.stop());
    const control = await mesh.open('control', { userLifeMs: 6_000 });
    const user = mesh.user('p1');
    const kept: string[] = [];
    const enrolled: string[] = [];
    const proxy = await mesh.open('proxy', {
      user: {
        ...user,
        enrol: (key) => {
          enrolled.push(key);
          if (enrolled.length > 1) return Promise.reject(new Error('who is revoked gets no other'));
          return control.users!.issue(user.identity, key);
        },
        keep: (jwt) => kept.push(jwt),
      },
    });
    const follower = await watch(proxy.config, applyCommit);
    await until('it has its third JWT', () => kept.length >= 3);
    assert.equal(enrolled.length, 1);
    await control.config.commit({ parent: 0, author: '', message: '', upserts: resources(1, 'x'), removals: [] });
    await follower.reached(1);
    assert.equal(await control.users!.revoke('p1'), 1);
    assert.equal(await control.users!.revoke('nobody'), 0);
    await until('it is out', () => !proxy.connected);
  });
});

describe('a follower that does not hear the log', () => {
  it('asks for itself after some seconds', async (t) => {
    const mesh = await startMesh();
    t.after(() => mesh.stop());
    const control = await mesh.open('control');
    const proxy = await mesh.open('proxy', { confirmMs: 100 });
    const follower = await watch(proxy.config, applyCommit);
    const login = fixedLogin(mesh.server.credentials.control);
    const servers = [mesh.server.url];
    const deaf = await openLink({
      servers,
      login,
      name: 'deaf',
      inboxPrefix: inboxPrefix(),
      infoPrefix: INFO_PREFIX,
      waitMs: 5_000,
    });
    t.after(() => deaf.close());
    // A log that is not republished: to a follower it is as if every message were lost.
    const manager = await deaf.nc.jetstreamManager();
    const { config } = await manager.streams.info('WEFT_CONFIG');
    await manager.streams.delete('WEFT_CONFIG');
    await manager.streams.add({ ...config, republish: undefined });
    await control.config.commit({ parent: 0, author: '', message: '', upserts: resources(3, 'quiet'), removals: [] });
    await follower.reached(1);
    assert.equal(follower.state.resources.size, 3);
  });
});

describe('a name', () => {
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
