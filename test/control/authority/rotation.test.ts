// The root of the mesh is rotated under load: two control planes, and two proxies that call through each other.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { RotationReport } from '../../../control/authority/rotation.ts';
import { serverTls } from '../../../control/authority/serving.ts';
import type { Control } from '../../../control/main.ts';
import { type Proxy as MeshProxy, startProxy } from '../../../core/main.ts';
import type { Node } from '../../../core/workload.ts';
import { mesh } from '../../cli/in-process.ts';
import { get } from '../../core/main/harness.ts';
import { until } from '../../until.ts';
import { type ErrorBody, files, type Plane, startDataPlane } from '../harness.ts';

/** Nobody is to be believed dead on a machine that is too busy for his life signs. */
const LEASE_MS = 60_000;

interface Secret {
  readonly name: string;
  readonly fingerprint: string;
  readonly root?: string;
  readonly issuer?: string;
}

const fingerprintIn = (told: string): string => /by the intermediate ([0-9a-f]{16})/.exec(told)![1];

describe('a rotation of the root', { timeout: 120_000 }, () => {
  let plane: Plane;
  let other: Control;
  let app: Server;
  let server: MeshProxy;
  let client: MeshProxy;
  const wrong: string[] = [];
  let asked = 0;
  let loaded = true;
  let load: Promise<unknown>;

  before(async () => {
    plane = await startDataPlane();
    other = await plane.another();
    app = createServer((_, response) => response.end('here'));
    await new Promise<void>((listening) => app.listen(0, '127.0.0.1', listening));
    const { port } = app.address() as AddressInfo;
    const service = `apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080, targetPort: ${port}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: STRICT}}
`;
    assert.equal((await plane.call('POST', '/v1/apply', files(service))).status, 200);
    server = await start('reviews', port, { inbound: { address: '127.0.0.1', port: 0 } });
    client = await start('productpage', 1, { outbound: { address: '127.0.0.1', port: 0 } });
    await Promise.all([server.ready, client.ready]);
    await until('the endpoint is known', async () => (await ask()) === '200 here');
    load = Promise.all([1, 2].map(keepAsking));
  });
  after(async () => {
    loaded = false;
    await load;
    await Promise.all([client, server].map((proxy) => proxy?.close()));
    app?.close();
    await plane?.stop();
  });

  function start(name: string, port: number, listeners: object): Promise<MeshProxy> {
    const node: Node = {
      id: `sidecar~127.0.0.1~${name}.default~default.svc.cluster.local`,
      ...{ name, workload: name, namespace: 'default', serviceAccount: name, trustDomain: 'cluster.local' },
      ...{ labels: { app: name }, role: 'sidecar', address: '127.0.0.1' },
      ...{ app: { address: '127.0.0.1', port }, services: [] },
    };
    const { mesh } = plane;
    const user = mesh.user(node.id, { serviceAccount: name });
    const bus = { servers: [mesh.server.url], name, ...mesh.server.credentials.proxy, user };
    const source = { kind: 'bus', bus } as const;
    return startProxy({ node, source, listeners, shards: 1, accessLog: { format: 'off' }, leaseTtlMs: LEASE_MS });
  }

  const ask = async (): Promise<string> => {
    const { status, body } = await get(`${client.outbound}/a`, { headers: { host: 'reviews:9080' } });
    return `${status} ${body}`;
  };

  async function keepAsking(): Promise<void> {
    while (loaded) {
      const said = await ask().catch(String);
      asked++;
      if (said !== '200 here') wrong.push(said);
      // Others have their turn.
      await new Promise((soon) => setTimeout(soon, 5));
    }
  }

  const rotate = (to: Control, body = {}) =>
    plane.call<RotationReport & ErrorBody>('POST', '/v1/authority/rotate', body, { to });
  const report = async (to: Control) =>
    (await plane.call<RotationReport>('GET', '/v1/authority', undefined, { to })).body;

  async function step(to: Control, expected: string, roots: number, body = {}): Promise<RotationReport> {
    const { status, body: made } = await rotate(to, body);
    assert.equal(status, 200, made.error);
    let now: RotationReport = made;
    await until('every proxy has followed', async () => {
      now = await report(to);
      return now.waiting.length === 0;
    });
    assert.deepEqual([now.step, now.roots.length, now.proxies], [expected, roots, 2]);
    return now;
  }

  async function secrets(proxy: MeshProxy): Promise<readonly Secret[]> {
    const answer = await fetch(`${proxy.admin}/config_dump?resource=secrets`);
    return ((await answer.json()) as { secrets: Secret[] }).secrets;
  }

  it('goes on in three steps through any control plane, and no request fails', async () => {
    const before = await report(plane.control);
    assert.deepEqual([before.step, before.roots.length, before.waiting], ['settled', 1, []]);
    const [old] = before.roots;
    const trusting = await step(plane.control, 'trusting', 2);
    assert.deepEqual(
      trusting.roots.map(({ fingerprint, signs }) => [fingerprint === old.fingerprint, signs]),
      [
        [true, true],
        [false, false],
      ],
    );
    const { fingerprint } = trusting.roots[1];
    const signing = await step(other, 'signing', 2);
    assert.deepEqual(
      signing.roots.map(({ signs }) => signs),
      [false, true],
    );
    for (const proxy of [server, client]) assert.equal((await secrets(proxy))[0].root, fingerprint);
    const settled = await step(plane.control, 'settled', 1);
    assert.equal(settled.roots[0].fingerprint, fingerprint);
    for (const proxy of [server, client]) {
      const roots = (await secrets(proxy)).filter(({ name }) => name === 'ROOTCA');
      assert.deepEqual(
        roots.map((root) => root.fingerprint),
        [fingerprint],
      );
    }
    assert.equal(await ask(), '200 here');
    assert.ok(asked > 0);
    assert.deepEqual(wrong, []);
  });

  it('leaves the control plane known to other machines as it was', async () => {
    const dir = join(plane.mesh.stateDir, 'control', 'authority');
    const { roots } = await serverTls({ dir }, '127.0.0.77');
    assert.equal(roots, await readFile(join(dir, 'root-cert.pem'), 'utf8'));
    const [{ fingerprint }] = (await report(plane.control)).roots;
    assert.ok((await readdir(dir)).includes(fingerprint));
  });

  it('does not go on while a proxy has not followed, which is named with the reason', async () => {
    const id = 'sidecar~127.0.0.9~silent.default~default.svc.cluster.local';
    const silent = await plane.mesh.open('proxy', { node: id });
    const lease = { proxy: id, ttlMs: 60_000, node: {}, endpoints: [], admin: '', version: '', startedAt: '' };
    const held = await silent.leases.hold(lease);
    await until('it is known', async () => (await report(plane.control)).proxies === 3);
    const { status, body } = await rotate(plane.control);
    assert.equal(status, 412);
    assert.equal(body.error, 'not every proxy has followed: silent.default (it does not answer)');
    await held.withdraw();
    await until('it is gone', async () => (await report(plane.control)).proxies === 2);
  });

  it('can be of the intermediate alone: one step, below the root that stays, through any control plane', async () => {
    const dir = join(plane.mesh.stateDir, 'control', 'authority');
    let last = await report(plane.control);
    const [{ fingerprint: root }] = last.roots;
    // The second one takes the place of what the first one made, and nothing of that is left.
    for (const to of [plane.control, other]) {
      const { intermediate: old } = last;
      last = await step(to, 'settled', 1, { intermediate: true });
      const { fingerprint } = last.intermediate!;
      assert.notEqual(fingerprint, old!.fingerprint);
      assert.equal(last.roots[0].fingerprint, root);
      for (const proxy of [server, client]) {
        const [own] = await secrets(proxy);
        assert.deepEqual([own.root, own.issuer], [root, fingerprint]);
      }
      const folders = await readdir(dir);
      assert.deepEqual([folders.includes(fingerprint), folders.includes(old!.fingerprint)], [true, false]);
    }
    const both = await rotate(plane.control, { intermediate: true, root: 'nothing' });
    assert.deepEqual([both.status, both.body.error], [400, 'a root is not changed with the intermediate alone']);
    // Where the root's key is kept elsewhere nothing is changed.
    const keys = [dir, join(dir, root)].map((folder) => join(folder, 'root-key.pem'));
    const kept = await Promise.all(keys.map((key) => readFile(key)));
    await Promise.all(keys.map((key) => rm(key)));
    const refused = await rotate(plane.control, { intermediate: true });
    assert.equal(refused.status, 412);
    assert.match(
      refused.body.error,
      /^the root cannot sign another intermediate: .*root-key\.pem cannot be read: ENOENT/,
    );
    await Promise.all(keys.map((key, n) => writeFile(key, kept[n], { mode: 0o600 })));
    assert.equal((await report(other)).intermediate!.fingerprint, last.intermediate!.fingerprint);
    assert.equal(await ask(), '200 here');
    assert.deepEqual(wrong, []);
  });

  it('is one command for all steps, and another one tells how it stands', async () => {
    const home = join(plane.mesh.stateDir, 'home');
    await mkdir(home);
    const { url: api, token } = plane.control;
    await writeFile(join(home, 'context.json'), JSON.stringify({ api, token, bus: { servers: [] } }), { mode: 0o600 });
    const [{ fingerprint: old }] = (await report(plane.control)).roots;
    const { code, out, err } = await mesh(['ca', 'rotate', '--all'], { home });
    assert.equal(code, 0, out + err);
    assert.equal(out.match(/^2 of 2 proxies have followed$/gm)?.length, 3, out);
    assert.match(out, new RegExp(`^${old.slice(0, 16)} +yes +20.*\\n[0-9a-f]{16} +no `, 'm'));
    const { roots } = await report(plane.control);
    const told = await mesh(['ca', 'status'], { home });
    assert.match(
      told.out,
      new RegExp(`^ROOT +SIGNS +EXPIRES +SUBJECT\\n${roots[0].fingerprint.slice(0, 16)} +yes +20`),
    );
    assert.match(told.out, /\nsigned by the intermediate [0-9a-f]{16} until 20.*Z \(O=Weft, CN=Weft intermediate /);
    assert.match(told.out, /\nnext: nothing is under way; /);
    const one = await mesh(['ca', 'rotate', '--intermediate'], { home });
    assert.equal(one.code, 0, one.out + one.err);
    assert.match(one.out, /^ROOT.*\n[0-9a-f]{16} .*\nsigned by .*\n2 of 2 proxies have followed\nnext: nothing/);
    assert.ok(!one.out.includes(fingerprintIn(told.out)), one.out);
    const all = await mesh(['ca', 'rotate', '--intermediate', '--all'], { home });
    assert.deepEqual([all.code, all.out], [2, '']);
    assert.match(all.err, /^mesh: --intermediate leaves the root as it is/);
    const missing = await mesh(['ca', 'rotate', '--root', join(home, 'none.pem')], { home });
    assert.deepEqual([missing.code, missing.out], [2, '']);
    assert.match(missing.err, /^mesh: .*none\.pem cannot be read: ENOENT/);
    assert.deepEqual(wrong, []);
  });

  it('takes a root of the user in the place of its own, and goes on once a control plane signs below it', async () => {
    const elsewhere = join(plane.mesh.stateDir, 'elsewhere');
    await serverTls({ dir: elsewhere }, '127.0.0.77');
    const root = await readFile(join(elsewhere, 'root-cert.pem'), 'utf8');
    const issuer = await readFile(join(elsewhere, 'ca-cert.pem'), 'utf8');
    for (const [given, why] of [
      ['nothing', /one certificate in PEM/],
      [issuer, /one certificate in PEM/],
      [issuer.slice(0, issuer.indexOf('-----END') + 25), /no root: another one signed it/],
    ] as const) {
      const { status, body } = await rotate(plane.control, { root: given });
      assert.equal(status, 412);
      assert.match(body.error, why);
    }
    await step(plane.control, 'trusting', 2, { root });
    const meanwhile = await rotate(plane.control, { intermediate: true });
    assert.equal(meanwhile.status, 412);
    assert.match(meanwhile.body.error, /^a rotation of the root is under way/);
    const refused = await rotate(other);
    assert.equal(refused.status, 412);
    assert.match(refused.body.error, /cannot sign below the new root [0-9a-f]{16}: start each with --ca-cert/);
    const own = { certificates: join(elsewhere, 'ca-cert.pem'), key: join(elsewhere, 'ca-key.pem') };
    const signer = await plane.another({ authority: { own }, stateDir: join(plane.mesh.stateDir, 'own') });
    await Promise.all([plane.control.close(), other.close()]);
    await step(signer, 'signing', 2);
    await step(signer, 'settled', 1);
    const theirs = await rotate(signer, { intermediate: true });
    assert.equal(theirs.status, 412);
    assert.match(theirs.body.error, /^this control plane signs with files of your own: put the new intermediate there/);
    // As Istio's task has it: what workloads show is below the user's root, and they believe nothing else.
    const expected = new X509Certificate(root).fingerprint256.replaceAll(':', '').toLowerCase();
    for (const proxy of [server, client]) {
      const [shown, ...believed] = await secrets(proxy);
      assert.deepEqual([shown.root, ...believed.map((each) => each.fingerprint)], [expected, expected]);
    }
    assert.equal(await ask(), '200 here');
    assert.deepEqual(wrong, []);
  });
});
