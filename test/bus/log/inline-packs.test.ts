// A commit of several resources that are alike, as endpoints of a mesh that joins are, is told to everybody in a fraction of its bytes.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { openLink } from '../../../bus/dial.ts';
import type { Link } from '../../../bus/link.ts';
import { applyCommit, Seal, SIGNATURE_HEADER } from '../../../bus/log/commit-format.ts';
import { DamagedError } from '../../../bus/log/log-entry.ts';
import { pack } from '../../../bus/log/packs.ts';
import { CONFIG_LOG, ENDPOINT_LOG, INFO_PREFIX, inboxPrefix, type LogNames } from '../../../bus/subjects.ts';
import type { Bus, StoredResource } from '../../../bus/types.ts';
import { fixedLogin } from '../../../bus/users/login.ts';
import { type Mesh, startMesh, watch } from '../harness.ts';

function served(count: number): StoredResource[] {
  return Array.from({ length: count }, (_, i) => {
    const [namespace, service, address] = [`team-${i % 10}`, `service-${i % 100}`, `127.1.0.${i}`];
    const name = `${service}-v1-${i}`;
    const id = `sidecar~${address}~${name}.${namespace}~${namespace}.svc.cluster.local`;
    const who = {
      id,
      name,
      workload: `${service}-v1`,
      namespace,
      serviceAccount: service,
      trustDomain: 'cluster.local',
    };
    const labels = { app: service, version: 'v1' };
    const at = { services: [service], address, port: 15006, appPort: 8080, tls: true, weight: 1, locality: '' };
    return { key: id, body: { endpoints: [{ ...who, labels, ...at }], admin: `http://${address}:15000` } };
  });
}

describe('a commit of some kilobytes', () => {
  let mesh: Mesh;
  let control: Bus;
  let link: Link;
  before(async () => {
    mesh = await startMesh();
    control = await mesh.open('control');
    const login = fixedLogin(mesh.server.credentials.control);
    const names = { name: 'reader', inboxPrefix: inboxPrefix(), infoPrefix: INFO_PREFIX };
    link = await openLink({ ...names, servers: [mesh.server.url], login, waitMs: 10_000 });
  });
  after(async () => {
    await link.close();
    await mesh.stop();
  });

  it('is a fifth of it for those who follow, join and read history', async () => {
    for (const [log, names] of [
      [control.config, CONFIG_LOG],
      [control.endpoints, ENDPOINT_LOG],
    ] as const) {
      const proxy = await mesh.open('proxy');
      const own = names === CONFIG_LOG ? proxy.config : proxy.endpoints;
      const follower = await watch(own, applyCommit);
      const upserts = served(50);
      const { revision } = await log.commit({ parent: 0, author: '', message: '', upserts, removals: ['gone'] });
      await follower.reached(revision);
      const expected = new Map(upserts.map(({ key, body }) => [key, body]));
      assert.deepEqual(follower.state.resources, expected);
      assert.deepEqual(follower.states, [0], 'it was heard, and not read again');
      assert.deepEqual((await own.load()).resources, expected);
      const [newest] = await log.history(1);
      assert.deepEqual([newest.upserts, newest.removals], [upserts, ['gone']]);
      const [{ upserts: written, removals: removed }] = await log.outline(1);
      assert.deepEqual([written, removed], [50, 1]);
      const bytes = await bytesOf(names, revision);
      assert.ok(bytes < JSON.stringify(upserts).length / 5, `${bytes} bytes`);
    }
  });

  it('that is one small change stays as it is', async () => {
    const { revision: parent } = await control.endpoints.load();
    const upserts = served(1);
    const { revision } = await control.endpoints.commit({ parent, author: '', message: '', upserts, removals: [] });
    const { data } = (await link.get(ENDPOINT_LOG.stream, { seq: revision }))!;
    assert.deepEqual(JSON.parse(Buffer.from(data).toString()).change.upserts, upserts);
  });

  it('that does not come back as it was is damage, which a restore mends', async () => {
    const half = (await pack(Buffer.from('{"removals":[],"upserts":[]}'))).subarray(0, 20);
    for (const packed of ['gzip:', 'gzip:!', `gzip:${Buffer.from(half).toString('base64')}`]) {
      const { revision: parent, digest: parentDigest, epoch } = await control.config.load();
      const envelope = { v: 1, id: randomUUID(), parent, parentDigest, epoch, time: '', author: '', message: '' };
      const payload = Buffer.from(JSON.stringify({ ...envelope, pack: packed }));
      const signature = new Seal(mesh.server.credentials.control).sign(payload)!;
      const { headers } = (await link.get(CONFIG_LOG.stream, { seq: parent }))!;
      for (const name of headers!.keys()) headers!.delete(name);
      headers!.set(SIGNATURE_HEADER, signature);
      await link.request(CONFIG_LOG.commits, payload, headers);
      const damage = new RegExp(`the change of revision ${parent + 1} does not come back as it was`);
      await assert.rejects(
        control.config.load(),
        (error) => error instanceof DamagedError && damage.test(error.message),
      );
      const { revision } = await control.config.restore({ author: '', message: '', resources: served(3), at: null });
      assert.equal((await control.config.load()).revision, revision);
    }
  });

  async function bytesOf({ stream }: LogNames, seq: number): Promise<number> {
    return (await link.get(stream, { seq }))!.data.byteLength;
  }
});
