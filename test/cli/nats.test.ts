import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { resources, startMesh } from '../bus/harness.ts';
import { mesh } from './in-process.ts';
import { temporaryHome } from './mesh.ts';

interface Conf {
  readonly server_name: string;
  readonly port: number;
  readonly tls?: { readonly cert_file: string };
  readonly cluster: {
    readonly port: number;
    readonly routes: readonly string[];
    readonly tls?: { readonly verify: boolean };
  };
  readonly jetstream: { readonly store_dir: string };
  readonly resolver: { readonly type: string; readonly dir: string };
}

const THREE = ['n1=10.0.0.1:4222', 'n2=10.0.0.2:4222', 'n3=10.0.0.3:4222:7000'].flatMap((each) => ['--server', each]);
const CLUSTER = ['nats', 'config', '--cluster'];

suite('mesh nats config', () => {
  test('writes what each server needs, for its owner only, the same secrets each time', async (t) => {
    const { home, remove } = temporaryHome();
    t.after(remove);
    const out = join(home, 'conf');
    const { code, err } = await mesh([...CLUSTER, ...THREE, '--out', out, '--tls-cert', '/etc/c.pem'], { home });
    assert.equal(code, 0, err);
    assert.match(err, /^TLS: put certificates, keys/);
    const read = async (name: string) => JSON.parse(await readFile(join(out, `${name}.conf`), 'utf8')) as Conf;
    const [first, , third] = await Promise.all(['n1', 'n2', 'n3'].map(read));
    assert.equal((await stat(join(out, 'n1.conf'))).mode & 0o777, 0o600);
    assert.deepEqual([first.server_name, first.port, first.cluster.port, third.cluster.port], ['n1', 4222, 6222, 7000]);
    assert.deepEqual(
      first.cluster.routes.map((route) => new URL(route).host),
      ['10.0.0.1:6222', '10.0.0.2:6222', '10.0.0.3:7000'],
    );
    assert.deepEqual([first.tls?.cert_file, first.cluster.tls?.verify], ['/etc/c.pem', true]);
    assert.deepEqual(
      [first.jetstream.store_dir, third.resolver.dir],
      ['/var/lib/weft-nats/n1/data', '/var/lib/weft-nats/n3/accounts'],
    );
    const again = await mesh([...CLUSTER, ...THREE, '--json'], { home });
    const printed = JSON.parse(again.out) as Record<string, Conf>;
    assert.deepEqual(printed.n2.cluster.routes, first.cluster.routes);
  });

  test('has no TLS on one machine, and says in a line what is wrong', async (t) => {
    const { home, remove } = temporaryHome();
    t.after(remove);
    const local = ['a=127.0.0.1:1001:2001', 'b=127.0.0.1:1002:2002', 'c=127.0.0.1:1003:2003'];
    const { out, err } = await mesh([...CLUSTER, ...local.flatMap((each) => ['--server', each])], { home });
    assert.equal(err, '');
    assert.deepEqual(out.match(/^# nats.conf of \w$/gm), ['# nats.conf of a', '# nats.conf of b', '# nats.conf of c']);
    assert.doesNotMatch(out, /"tls"/);
    const cases: (readonly [readonly string[], RegExp])[] = [
      [['nats'], /say what: config, status/],
      [['nats', 'config', ...THREE], /say --cluster/],
      [[...CLUSTER, ...THREE.slice(0, 4)], /a cluster has 3 or 5 servers/],
      [[...CLUSTER, ...THREE.slice(0, 4), '--server', 'n1=10.0.0.9:1'], /two servers have the name n1/],
      [
        [...CLUSTER, ...THREE.slice(0, 4), '--server', 'n9=10.0.0.1:4222'],
        /two servers have the address 10.0.0.1:4222/,
      ],
      [[...CLUSTER, '--server', 'n1:4222'], /NAME=HOST:PORT is needed/],
      [['control', '--nats', 'nats://127.0.0.1:1', '--replicas', '2'], /There are 1, 3 or 5 copies/],
    ];
    for (const [args, expected] of cases) {
      const outcome = await mesh(args, { home });
      assert.match(outcome.err, expected);
      assert.match(outcome.err, /^mesh: [^\n]*\n$/);
      assert.equal(outcome.code, 2);
    }
  });
});

test('mesh nats status tells of a single server, too, without a control plane, and of one that does not answer', async (t) => {
  const server = await startMesh();
  t.after(() => server.stop());
  const control = await server.open('control');
  const change = { parent: 0, author: '', message: '', upserts: resources(1, 1), removals: [] };
  const { digest } = await control.config.commit(change);
  await control.close();
  const { url, version } = server.server;
  const args = ['nats', 'status', '--nats', url, '--nats-credentials', join(server.stateDir, 'credentials.json')];
  const table = await mesh(args);
  assert.equal(table.code, 0, table.err);
  assert.match(table.out, /^a single nats-server\n/);
  assert.match(table.out, new RegExp(`^weft +${url} +${version} +1 +${digest.slice(0, 19)}$`, 'm'));
  assert.match(table.out, /^WEFT_CONFIG +1 +weft +1 +-$/m);
  const down = await mesh([...args, '--nats', 'nats://127.0.0.1:1', '-o', 'json']);
  assert.equal(down.code, 1);
  assert.match(down.err, /^mesh: nats:\/\/127\.0\.0\.1:1 does not answer: connection refused[^\n]*\n$/);
  const { agree, whole, servers } = JSON.parse(down.out) as {
    agree: boolean;
    whole: boolean;
    servers: { holds: unknown }[];
  };
  assert.deepEqual([agree, whole], [true, false]);
  assert.deepEqual(
    servers.map(({ holds }) => holds),
    [{ revision: 1, digest }, null],
  );
  const nobody = await mesh([...args.slice(0, 2), '--nats', 'nats://127.0.0.1:1', ...args.slice(4)]);
  assert.equal(nobody.code, 5);
  assert.match(nobody.err, /^mesh: no server of NATS answers \(nats:\/\/127\.0\.0\.1:1: connection refused[^\n]*\n$/);
});
