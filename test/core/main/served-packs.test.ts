// What proxies serve, kept once for all who say the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Pack, ServedPacks, unpack } from '../../../core/main/served-packs.ts';
import { ToldEndpoints } from '../../../core/main/told-endpoints.ts';
import type { Served } from '../../../core/workload.ts';
import { workload } from '../snapshot/rig.ts';

function instance(
  number: number,
  labels: Readonly<Record<string, string>> = {},
): readonly [id: string, served: Served] {
  const service = `service-${number % 10}`;
  const [name, address] = [`${service}-v1-${number}`, `10.1.${number >> 8}.${number & 255}`];
  const id = `sidecar~${address}~${name}.default~default.svc.cluster.local`;
  const endpoint = { ...workload(service, 'v1', address), id, name };
  return [id, { endpoints: [{ ...endpoint, labels: { ...endpoint.labels, ...labels } }], admin: `${address}:15000` }];
}

test('a mesh of many copies of few workloads is kept as so many texts as there are workloads', () => {
  const packs = new ServedPacks();
  const taken = new Map<string, Pack>();
  for (let i = 0; i < 3_000; i++) {
    const [id, served] = instance(i);
    taken.set(id, packs.take(id, served));
  }
  assert.equal(packs.size, 10);
  for (let i = 0; i < 3_000; i++) {
    const [id, served] = instance(i);
    assert.deepEqual(unpack(id, taken.get(id)!), served);
    assert.equal(taken.get(id)!.uniform, true);
  }
  for (const pack of taken.values()) packs.release(pack);
  assert.equal(packs.size, 0, 'who is gone leaves nothing behind');
});

test('whatever an id looks like, what it says comes back as it was', () => {
  const ids = [
    ...[
      '',
      'a',
      'web',
      '~',
      '~~~',
      'a~b~c~d',
      'x~127.0.0.1',
      '~~name',
      '~10.0.0.1~10.0.0.1~',
      'sidecar~default~default~',
    ],
    ...[
      '"~\\~\n.\u0001',
      '\u0001~\u0002~\u0003',
      '$&~$1.2~$$$',
      'é~日本語~😀😀.x',
      '~endpoints~services.labels',
      'a~\\u0001~\\u0002',
    ],
  ];
  for (const id of ids) {
    for (const other of ids) {
      const packs = new ServedPacks();
      const endpoint = {
        ...workload('web', 'v1', '10.0.0.1'),
        id,
        name: other,
        labels: { [other]: id, app: `${id}${other}` },
      };
      const served: Served = { endpoints: [endpoint], dialling: [{ ...endpoint, address: other }], admin: `${id}:1` };
      assert.deepEqual(unpack(id, packs.take(id, served)), served, JSON.stringify([id, other]));
    }
  }
});

test('who says the same is known for the same, and who says anything else is not', () => {
  const packs = new ServedPacks();
  const [id, served] = instance(7);
  const pack = packs.take(id, served);
  assert.equal(packs.take(id, structuredClone(served)), pack);
  const [endpoint] = served.endpoints;
  const others: Served[] = [
    { ...served, admin: null },
    { ...served, endpoints: [] },
    { ...served, endpoints: [], dialling: [endpoint] },
    { ...served, endpoints: [{ ...endpoint, address: '10.1.0.8' }] },
    { ...served, endpoints: [{ ...endpoint, port: 15_007 }] },
    { ...served, endpoints: [{ ...endpoint, tls: true }] },
    { ...served, endpoints: [{ ...endpoint, labels: { ...endpoint.labels, canary: '' } }] },
  ];
  for (const other of others) assert.notEqual(packs.take(id, other), pack);
});

test('of two that say the same but for their names each is looked at where a name is what a filter asks for', () => {
  const told = new ToldEndpoints();
  const mesh = [1, 11, 21].map((number) => instance(number, { pod: instance(number)[1].endpoints[0].name }));
  const pod = (name: string) => ({
    takes: ({ labels }: { labels: Readonly<Record<string, string>> }) => labels.pod === name,
  });
  const takenOf = (filter: ReturnType<typeof pod>) =>
    told
      .widen(filter)
      .upserts.filter(([, { endpoints }]) => endpoints.length > 0)
      .map(([id]) => id);
  told.change({ upserts: mesh, removals: [] }, false);
  const [first, second] = [pod('service-1-v1-1'), pod('service-1-v1-21')];
  assert.deepEqual(takenOf(first), [mesh[0][0]]);
  told.narrow(first);
  assert.deepEqual(takenOf(second), [mesh[2][0]]);
  assert.deepEqual(
    told.narrow(second).upserts.map(([id]) => id),
    [mesh[0][0]],
  );
});
