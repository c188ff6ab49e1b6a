import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Bus } from '../../bus/types.ts';
import { decodeYaml } from '../../core/config/decode.ts';
import { Credentials } from '../../core/main/credentials.ts';
import type { ToShard } from '../../core/shard/protocol.ts';
import type { Node } from '../../core/workload.ts';
import { eventually } from '../until.ts';
import { type WebAuthority, webAuthority } from '../web-certificates.ts';
import { type ErrorBody, type Plane, startDataPlane } from './harness.ts';

const EDGE = 'router~127.0.0.1~edge-1.default~cluster.local';
const SIDECAR = 'sidecar~127.0.0.1~edge-1.default~cluster.local';
const LABELS = { istio: 'ingressgateway' };
const GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: MUTUAL, credentialName: shop}}]
`;

const DAMAGED = '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n';

describe('secrets', { timeout: 120_000 }, () => {
  let plane: Plane;
  let proxy: Bus;
  let sidecar: Bus;
  let authority: WebAuthority;
  const closers: (() => unknown)[] = [];
  before(async () => {
    authority = await webAuthority();
    plane = await startDataPlane();
    closers.push(() => plane.stop());
    proxy = await plane.mesh.open('proxy', {
      node: EDGE,
      user: plane.mesh.user(EDGE, { serviceAccount: 'edge' }),
    });
    sidecar = await plane.mesh.open('proxy', {
      node: SIDECAR,
      user: plane.mesh.user(SIDECAR, { serviceAccount: 'edge' }),
    });
    const applied = await plane.call('POST', '/v1/apply', { files: [{ name: 'edge.yaml', text: GATEWAY }] });
    assert.equal(applied.status, 200, JSON.stringify(applied.body));
  });
  after(async () => {
    for (const close of closers.reverse()) await close();
  });

  const put = (body: object, name = 'shop', namespace = 'default') =>
    plane.call<ErrorBody>('PUT', `/v1/secrets/${namespace}/${name}`, body);
  const ask = (name: string, labels: Record<string, string> = LABELS, asker = proxy) =>
    asker.secrets.request({ name, labels });

  it('come to gateways of their namespace whose Gateway names them, and to nobody else', async () => {
    const pair = await authority.issue(['shop.test']);
    assert.equal(await ask('shop'), null);
    assert.equal((await put(pair)).status, 200);
    const found = await ask('shop');
    assert.deepEqual([found?.cert, found?.key, found?.ca], [pair.cert, pair.key, '']);
    await assert.rejects(
      ask('shop', { istio: 'other' }),
      /no Gateway that selects router~\S+ and no DestinationRule for it names the secret shop/,
    );
    // Its user is one of a sidecar, whatever it says of itself.
    await assert.rejects(
      ask('shop', LABELS, sidecar),
      /no Gateway that selects sidecar~\S+ and no DestinationRule for it names the secret shop/,
    );
    await assert.rejects(ask('other'), /names the secret other/);
    assert.equal((await put({ ...pair, serviceAccounts: ['somebody'] })).status, 200);
    await assert.rejects(ask('shop'), /is for the service accounts somebody/);
    assert.equal((await put({ ...pair, serviceAccounts: ['edge'] })).status, 200);
    assert.equal((await ask('shop'))?.cert, pair.cert);
  });

  it('say whose clients are believed, in themselves or beside', async () => {
    const pair = await authority.issue(['shop.test']);
    await put({ ...pair, ca: authority.ca });
    assert.deepEqual(await ask('shop-cacert'), { cert: '', key: '', ca: authority.ca, crl: '' });
    const other = await webAuthority('Other');
    await put({ ca: other.ca }, 'shop-cacert');
    assert.equal((await ask('shop-cacert'))?.ca, other.ca);
    assert.equal((await plane.call('DELETE', '/v1/secrets/default/shop-cacert')).status, 200);
    assert.equal((await plane.call('DELETE', '/v1/secrets/default/shop-cacert')).status, 404);
  });

  it('come to whom a DestinationRule names them for: gateways, and sidecars that its workloadSelector selects', async () => {
    const rule = (name: string, tls: string, rest = '') => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}}
spec: {host: ${name}.example, trafficPolicy: {${tls}}${rest}}
`;
    const text = [
      rule('one', 'tls: {mode: MUTUAL, credentialName: client-one}'),
      rule('two', 'portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE, credentialName: roots-two}}]'),
      rule(
        'three',
        'tls: {mode: MUTUAL, credentialName: client-three}',
        ', workloadSelector: {matchLabels: {app: caller}}',
      ),
      rule('four', 'tls: {mode: ISTIO_MUTUAL, credentialName: client-four}'),
    ].join('---');
    const applied = await plane.call('POST', '/v1/apply', { files: [{ name: 'rules.yaml', text }] });
    assert.equal(applied.status, 200, JSON.stringify(applied.body));
    const pair = await authority.issue(['client.test']);
    for (const name of ['client-one', 'roots-two', 'client-three', 'client-four']) {
      assert.equal((await put({ ...pair, ca: authority.ca }, name)).status, 200);
    }
    const caller = { app: 'caller' };
    assert.equal((await ask('client-one'))?.key, pair.key);
    assert.deepEqual(await ask('client-one-cacert'), { cert: '', key: '', ca: authority.ca, crl: '' });
    // Who shows no certificate is given none.
    assert.equal((await ask('roots-two-cacert'))?.ca, authority.ca);
    await assert.rejects(ask('roots-two'), /no DestinationRule for it names/);
    await assert.rejects(ask('client-four'), /no DestinationRule for it names/);
    assert.equal((await ask('client-three', caller, sidecar))?.key, pair.key);
    assert.equal((await ask('client-three-cacert', caller, sidecar))?.ca, authority.ca);
    for (const [name, labels, asker] of [
      ['client-one', caller, sidecar],
      ['client-three', { app: 'other' }, sidecar],
      ['client-three', LABELS, proxy],
    ] as const) {
      await assert.rejects(ask(name, labels, asker), /no DestinationRule for it names the secret/);
    }
  });

  it('that no server could use are refused with the reason', async () => {
    const [pair, other] = [await authority.issue(['a.test']), await authority.issue(['b.test'])];
    const expired = await authority.issue(['a.test'], { from: -7_200_000, to: -3_600_000 });
    const wrong: [object, RegExp][] = [
      [{ ...pair, key: other.key }, /its key is not that of the certificate/],
      [expired, /its certificate has expired: it was valid until /],
      [{ cert: 'nothing', key: pair.key }, /there is no certificate \(PEM\)/],
      [{ cert: pair.cert }, /its private key is none/],
      [{ ca: 'nothing' }, /whom it believes holds no certificate/],
      [{ ...pair, ca: authority.ca, crl: 'x' }, /no list of revoked certificates/],
      [{ ...pair, ca: authority.ca, crl: DAMAGED }, /its revocation list cannot be read: /],
      [{}, /neither a certificate nor whom to believe/],
    ];
    for (const [body, why] of wrong) {
      const { status, body: answer } = await put(body, 'bad');
      assert.equal(status, 400);
      assert.match(answer.error, why);
    }
  });

  it('are told of without what they are, and lie where nobody reads them', async () => {
    const pair = await authority.issue(['shop.test']);
    await put(pair);
    const { body } = await plane.call<unknown[]>('GET', '/v1/secrets');
    const text = JSON.stringify(body);
    assert.match(text, /"name":"shop"/);
    assert.doesNotMatch(text, /PRIVATE KEY|BEGIN/);
    const [stored] = await proxyless(plane);
    assert.doesNotMatch(JSON.stringify(stored), /PRIVATE KEY|BEGIN/);
    assert.ok(!plane.log.some((line) => /PRIVATE KEY|BEGIN/.test(line)));
  });

  it('come back from a backup, but where one is newer, was sealed by another mesh or for somebody else', async () => {
    const [first, second] = [await authority.issue(['shop.test']), await authority.issue(['shop.test'])];
    await put({ ...first, serviceAccounts: ['edge'] });
    await put(first, 'beside');
    type Sealed = { name: string; about: { serviceAccounts: string[] }; sealed: { data: string } };
    const { body } = await plane.call<{ secrets: Sealed[] }>('GET', '/v1/backup');
    assert.doesNotMatch(JSON.stringify(body.secrets), /PRIVATE KEY|BEGIN/);
    const both = body.secrets.filter(({ name }) => ['shop', 'beside'].includes(name));
    const restore = (secrets: Sealed[]) =>
      plane.call<Record<'restored' | 'newer' | 'foreign', string[]>>('POST', '/v1/restore/secrets', { secrets });
    await plane.call('DELETE', '/v1/secrets/default/shop');
    await put(second, 'beside');
    assert.equal(await ask('shop'), null);
    const [shop] = both.filter(({ name }) => name === 'shop');
    const forOthers = { ...shop, about: { ...shop.about, serviceAccounts: [] } };
    const damaged = { ...shop, sealed: { ...shop.sealed, data: 'AAAA' } };
    for (const wrong of [forOthers, damaged, { ...shop, name: 'other' }]) {
      assert.deepEqual((await restore([wrong])).body, {
        restored: [],
        newer: [],
        foreign: [`default/${wrong.name}`],
      });
    }
    assert.deepEqual((await restore(both)).body, {
      restored: ['default/shop'],
      newer: ['default/beside'],
      foreign: [],
    });
    assert.deepEqual((await ask('shop'))?.key, first.key);
    await plane.call('DELETE', '/v1/secrets/default/beside');
  });

  it('are looked for at once by gateways of their namespace, when they change', async () => {
    const asked: string[] = [];
    const gateway = await plane.mesh.open('proxy', { node: EDGE });
    gateway.questions.answer(async ({ method, path }) => {
      asked.push(`${method} ${path}`);
      return { status: 200, type: 'application/json', body: '' };
    });
    const lease = { proxy: EDGE, node: { role: 'gateway', labels: LABELS }, admin: 'http://127.0.0.1:15000' };
    const held = await gateway.leases.hold({
      ...{ ...lease, ttlMs: 60_000, endpoints: [], version: '1.2.3', startedAt: new Date().toISOString() },
    });
    await eventually(async () => {
      const { body } = await plane.call<{ id: string }[]>('GET', '/v1/proxies');
      assert.ok(body.some(({ id }) => id === EDGE));
    });
    await put(await authority.issue(['shop.test']));
    assert.deepEqual(asked, ['POST /credentials/look']);
    await put(await authority.issue(['shop.test']), 'shop', 'elsewhere');
    assert.equal(asked.length, 1);
    await plane.call('DELETE', '/v1/secrets/elsewhere/shop');
    await plane.call('DELETE', '/v1/secrets/default/shop');
    assert.equal(asked.length, 2);
    await held.withdraw();
  });

  it('are followed by a gateway, kept on its disk for its alone, and serve it with no control plane', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'weft-secrets-'));
    closers.push(() => rm(dir, { recursive: true, force: true }));
    const [first, second] = [await authority.issue(['shop.test']), await authority.issue(['shop.test'])];
    await put({ ...first, ca: authority.ca });
    const { resources } = decodeYaml(GATEWAY);
    const posted: ToShard[] = [];
    const open = async (): Promise<Credentials> => {
      const credentials = new Credentials({
        node: { role: 'gateway', namespace: 'default', labels: LABELS } as unknown as Node,
        stateDir: dir,
        log: () => undefined,
        post: (message) => posted.push(message),
        expiry: () => undefined,
      });
      await credentials.load();
      return credentials;
    };
    const certificates = () =>
      posted.flatMap((message) => (message.type === 'credential' ? (message.credential?.cert ?? null) : []));
    const running = await open();
    await running.follow(proxy.secrets);
    assert.deepEqual(await running.prepare(resources), []);
    assert.ok(certificates().includes(first.cert));
    await put({ ...second, ca: authority.ca });
    await running.look();
    assert.equal(certificates().at(-1), second.cert);
    await running.close();
    const { mode } = await stat(join(dir, 'credentials.json'));
    assert.equal(mode & 0o777, 0o600);
    assert.match(await readFile(join(dir, 'credentials.json'), 'utf8'), /PRIVATE KEY/);
    posted.length = 0;
    const alone = await open();
    assert.deepEqual(await alone.prepare(resources), []);
    assert.ok(certificates().includes(second.cert));
    await alone.follow(proxy.secrets);
    await plane.call('DELETE', '/v1/secrets/default/shop');
    await alone.look();
    assert.equal(certificates().at(-1), null);
    assert.equal((await alone.prepare(resources)).length, 2);
    await alone.close();
  });
});

/** As they lie in NATS. */
async function proxyless(plane: Plane): Promise<unknown[]> {
  const bus = await plane.mesh.open('control', { node: 'reader' });
  return bus.secrets.all();
}
