// The control plane as other machines find it: API and NATS by TLS on an address that is not 127.0.0.1.
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as plainRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openBus } from '../../bus/connect.ts';
import { type NatsServer, type ServerTls, startNatsServer } from '../../bus/server/server.ts';
import { NKey } from '../../bus/users/nkey.ts';
import { Api } from '../../cli/api.ts';
import { rootOf } from '../../cli/first-contact.ts';
import { serverTls } from '../../control/authority/serving.ts';
import { readToken } from '../../control/joining/token.ts';
import { type Control, startControl } from '../../control/main.ts';
import { until } from '../until.ts';

const ADDRESS = '127.0.0.77';
const NODE = 'sidecar~10.0.0.6~api-1.shop~shop.svc.cluster.local';
const USER = { namespace: 'shop', serviceAccount: 'api', services: ['api'] };

describe('a control plane that listens for other machines', () => {
  let dir = '';
  let tls: ServerTls;
  let foreign: ServerTls;
  let nats: NatsServer;
  let control: Control;
  const start = (name: string, withTls: ServerTls | undefined) =>
    startControl({
      nats: { servers: [nats.url], ca: nats.ca, ...nats.credentials.proxy, ...nats.credentials.control },
      stateDir: join(dir, name),
      authority: {},
      machines: withTls,
      version: '1.2.3',
    });
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'weft-machines-'));
    tls = await serverTls({ dir: join(dir, 'one', 'authority') }, ADDRESS);
    foreign = await serverTls({ dir: join(dir, 'foreign') }, ADDRESS);
    nats = await startNatsServer({ stateDir: join(dir, 'nats'), tls });
    control = await start('one', tls);
  });
  after(async () => {
    await control?.close();
    await nats?.stop();
    await rm(dir, { recursive: true, force: true });
  });
  const admin = () => new Api({ api: control.machinesUrl!, ca: tls.roots, token: control.token });
  const newToken = async (uses = 1) => {
    const bounds = { namespace: 'shop', serviceAccounts: ['api'], services: ['api'] };
    return readToken((await admin().createToken({ ...bounds, ttlSeconds: 60, uses })).token)!;
  };

  it('is known by its authority alone, to NATS and to the API, and speaks no plain text there', async () => {
    const { credentials, url: server } = nats;
    assert.ok(server.startsWith(`nats://${ADDRESS}:`));
    const open = (ca: string | undefined) =>
      openBus({ servers: [server], ca, name: 'test', role: 'control', ...credentials.control, waitMs: 0 });
    const bus = await open(tls.roots);
    await bus.close();
    for (const ca of [foreign.roots, undefined]) await assert.rejects(open(ca), /cannot connect to NATS/);
    assert.equal((await admin().version()).version, '1.2.3');
    const stranger = new Api({ api: control.machinesUrl!, ca: foreign.roots, token: control.token });
    await assert.rejects(stranger.version(), { exitCode: 5, message: /not reachable.*certificate/ });
    const { port } = new URL(control.machinesUrl!);
    await assert.rejects(
      new Promise((resolve, reject) => {
        plainRequest({ host: ADDRESS, port, path: '/ready' }, resolve).once('error', reject).end();
      }),
    );
    // On loopback all is as it was.
    assert.equal((await new Api({ api: control.url, token: '' }).version()).version, '1.2.3');
  });

  it('is told from another by the fingerprint, before anything is sent', async () => {
    const { api, fingerprint } = await newToken();
    assert.equal(api, control.machinesUrl);
    const root = await rootOf(api, fingerprint);
    assert.equal(new X509Certificate(root).fingerprint256, new X509Certificate(tls.roots).fingerprint256);
    const other = createHash('sha256').update(new X509Certificate(foreign.roots).raw).digest('base64url');
    await assert.rejects(rootOf(api, other), {
      exitCode: 1,
      message: /is not the mesh that made the token.*nothing was sent/,
    });
    await assert.rejects(rootOf('https://127.0.0.78:1', fingerprint), { exitCode: 5, message: /not reachable/ });
  });

  it('takes a machine by a token, and from it proxies of its service accounts and nothing else', async () => {
    const { api, proof } = await newToken();
    const ca = tls.roots;
    const machine = await new Api({ api, ca, token: proof }).join('second');
    assert.deepEqual(machine.bus, { servers: [nats.url], ca, verifyKey: nats.credentials.proxy.verifyKey });
    await assert.rejects(new Api({ api, ca, token: proof }).join('third'), { message: /is used up/ });
    const own = new Api({ api, ca, token: machine.proof });
    const seed = NKey.generate('user').seed;
    const identity = { namespace: 'shop', serviceAccount: 'api', node: NODE };
    const enrol = (publicKey: string) => own.enrol(NODE, { ...USER, publicKey });
    const user = { identity, seed, jwt: '', enrol, keep: () => {} };
    const bus = await openBus({ ...machine.bus, name: 'api', role: 'proxy', user, waitMs: 5_000 });
    assert.equal((await bus.config.load()).revision, 0);
    await bus.close();
    const key = 'U'.padEnd(56, 'A');
    await assert.rejects(own.enrol(NODE, { ...USER, serviceAccount: 'bank', publicKey: key }), {
      message: /not bank in shop/,
    });
    await assert.rejects(own.enrol(NODE, { ...USER, services: ['bank'], publicKey: key }), {
      message: /for the services api, not bank/,
    });
    for (const ask of [() => own.history(1), () => own.tokens(), () => own.revoke(NODE), () => own.backup()]) {
      await assert.rejects(ask(), { message: /lets machines join and start proxies, and does nothing else/ });
    }
  });

  it('lets a proxy serve what its token is for, whatever the proxy says later', async () => {
    const { api, proof } = await newToken();
    const machine = await new Api({ api, ca: tls.roots, token: proof }).join('second');
    const own = new Api({ api, ca: tls.roots, token: machine.proof });
    const identity = { namespace: 'shop', serviceAccount: 'api', node: NODE };
    // It does not say what it is going to serve.
    const enrol = (publicKey: string) => own.enrol(NODE, { namespace: 'shop', serviceAccount: 'api', publicKey });
    const user = { identity, seed: NKey.generate('user').seed, jwt: '', enrol, keep: () => {} };
    const bus = await openBus({ ...machine.bus, name: 'api', role: 'proxy', user, waitMs: 5_000 });
    const endpoint = (service: string) => ({ namespace: 'shop', serviceAccount: 'api', services: [service] });
    const endpoints = [endpoint('bank'), endpoint('api')];
    const lease = { proxy: NODE, ttlMs: 60_000, node: {}, endpoints, admin: '', version: '', startedAt: '' };
    const held = await bus.leases.hold(lease);
    const told = async () => {
      const body = (await bus.endpoints.load()).resources.get(NODE) as { endpoints: object[] } | undefined;
      return body?.endpoints ?? [];
    };
    await until('it is told', async () => (await told()).length > 0);
    assert.deepEqual(await told(), [{ ...endpoint('api'), only: ['api'] }]);
    const [{ endpoints: listed }] = await admin().proxies('api-1');
    assert.equal(listed.length, 1);
    await held.withdraw();
    await bus.close();
  });

  it('lets every control plane know what is used up or revoked', async () => {
    const other = await start('two', undefined);
    try {
      const { api, proof } = await newToken(2);
      const machine = await new Api({ api, ca: tls.roots, token: proof }).join('second');
      await new Api({ api: other.url, token: other.token }).revokeToken(proof.split('.')[0]);
      const own = new Api({ api, ca: tls.roots, token: machine.proof });
      const refused = { message: `the token that machine ${machine.id} joined by was revoked` };
      await assert.rejects(own.enrol(NODE, { ...USER, publicKey: 'U' }), refused);
      await assert.rejects(new Api({ api, ca: tls.roots, token: proof }).join('late'), { message: /is revoked/ });
      // Who is on loopback alone hands out no address.
      const bounds = { namespace: 'shop', serviceAccounts: ['api'], services: [] };
      const asked = new Api({ api: other.url, token: other.token }).createToken({ ...bounds, ttlSeconds: 1, uses: 1 });
      await assert.rejects(asked, { message: /start it with --listen/ });
    } finally {
      await other.close();
    }
  });
});
