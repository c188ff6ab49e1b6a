import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Certificates, SignedCertificate } from '../../../bus/certificate-types.ts';
import { startAuthority } from '../../../control/authority/authority.ts';
import { WorkloadCertificate } from '../../../core/main/workload-certificate.ts';
import type { Node, WorkloadIdentity } from '../../../core/workload.ts';
import { until } from '../../until.ts';

const NODE: Node = {
  ...{ id: 'sidecar~127.1.2.3~api.shop~x', name: 'api', workload: 'api', namespace: 'shop', serviceAccount: 'api' },
  ...{ trustDomain: 'cluster.local', labels: {}, role: 'sidecar', address: '127.1.2.3', app: null, services: [] },
};
const HOUR = 3_600_000;

describe("a workload's certificate", () => {
  let dir = '';
  let log: string[] = [];
  const open: WorkloadCertificate[] = [];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'weft-certificate-'));
    log = [];
  });
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** A real authority behind the proxy's side of the bus. */
  async function authority(lifeMs?: number, name = 'authority', who = NODE): Promise<Pick<Certificates, 'request'>> {
    let sign: Parameters<Certificates['answer']>[0] = () => Promise.reject(new Error('nobody answers'));
    const bus: Certificates = {
      request: () => Promise.reject(new Error('nobody asks')),
      answer(given) {
        sign = given;
      },
      trusted: async (own) => ({ ...own, version: 1 }),
      retrust: () => Promise.reject(new Error('nothing is rotated')),
      onTrust: () => {},
    };
    await startAuthority({ bus, dir: join(dir, name), lifeMs });
    const { namespace, serviceAccount, id: node } = who;
    return { request: (csr) => sign({ namespace, serviceAccount, node }, csr) };
  }

  function certificate(options: { now?: () => number; changed?: (identity: WorkloadIdentity) => void } = {}) {
    const made = new WorkloadCertificate({
      node: NODE,
      stateDir: join(dir, 'state'),
      log: (level, _, message) => log.push(`${level} ${message}`),
      changed: () => {},
      ...options,
    });
    open.push(made);
    return made;
  }

  it('is signed for a key that is made here, is told of, and is on disk for the next run', async () => {
    const told: WorkloadIdentity[] = [];
    const first = certificate({ changed: (identity) => told.push(identity) });
    await first.load();
    assert.equal(first.current, null);
    assert.equal(first.expiresIn, null);
    await first.follow(await authority());
    assert.ok(first.expiresIn! > 23 * 3_600 && first.expiresIn! <= 24 * 3_600);
    assert.deepEqual(told, [first.current]);
    assert.match(first.current!.key, /BEGIN PRIVATE KEY/);
    await first.close();
    const file = join(dir, 'state', 'certificate.json');
    assert.equal((await stat(file)).mode & 0o077, 0);
    const second = certificate();
    await second.load();
    assert.deepEqual(second.current, first.current);
    assert.deepEqual(second.greeting(), [{ type: 'identity', identity: first.current }]);
  });

  it('of the last run serves while nobody signs, and is replaced when somebody does', async () => {
    const first = certificate();
    await first.follow(await authority());
    await first.close();
    const second = certificate();
    await second.load();
    await second.follow({ request: () => Promise.reject(new Error('NATS is not connected')) });
    await until('a failure is told', () => log.some((line) => line.startsWith('warning')));
    assert.match(
      log.join('\n'),
      /no certificate from the control plane: NATS is not connected; the one that it has stays/,
    );
    assert.deepEqual(second.current, first.current);
    const third = certificate();
    await third.load();
    await third.follow(await authority(undefined, 'another'));
    await until('it is replaced', () => third.current!.roots !== first.current!.roots);
  });

  it('is renewed when half of its life is over, by a new key', async () => {
    const told: WorkloadIdentity[] = [];
    const short = certificate({ changed: (identity) => told.push(identity) });
    await short.follow(await authority(10_000));
    await until('it is renewed', () => told.length > 1);
    assert.notEqual(told[0].key, told[1].key);
  });

  it('that is kept, and is damaged or of another workload, is as if it were not there', async () => {
    const first = certificate();
    await first.follow(await authority());
    await first.close();
    const file = join(dir, 'state', 'certificate.json');
    const kept = JSON.parse(await readFile(file, 'utf8')) as object;
    const other = { ...NODE, serviceAccount: 'other' };
    const asked = await authority(undefined, 'authority', other);
    const stolen: SignedCertificate[] = [];
    const thief = certificate();
    await thief.follow({
      async request(csr) {
        stolen.push(await asked.request(csr));
        return stolen[0];
      },
    });
    assert.equal(thief.current, null);
    assert.match(
      log.join('\n'),
      /it is for URI:spiffe:.*sa\/other, and this workload is URI:spiffe:.*sa\/api; there is none/,
    );
    await thief.close();
    for (const wrong of [
      '{',
      '{}',
      JSON.stringify({ ...kept, chain: 'x' }),
      JSON.stringify({ ...kept, ...stolen[0] }),
    ]) {
      await writeFile(file, wrong);
      const next = certificate();
      await next.load();
      assert.equal(next.current, null, wrong.slice(0, 40));
    }
  });

  it('that has expired stays, and is told as what it is', async () => {
    let now = Date.now();
    const held = certificate({ now: () => now });
    await held.follow(await authority());
    now += 25 * HOUR;
    assert.ok(held.expiresIn! < 0);
    assert.notEqual(held.current, null);
    const [own, root] = held.secrets();
    const { name, type, status, valid, identity, serialNumber } = own;
    const { serialNumber: expected } = new X509Certificate(held.current!.chain);
    assert.deepEqual([name, type, status, valid, serialNumber], ['default', 'Cert Chain', 'EXPIRED', false, expected]);
    assert.equal(identity, 'spiffe://cluster.local/ns/shop/sa/api');
    assert.deepEqual([root.name, root.type, root.status, root.valid], ['ROOTCA', 'CA', 'ACTIVE', true]);
    assert.doesNotMatch(JSON.stringify(held.secrets()), /PRIVATE/);
  });
});
