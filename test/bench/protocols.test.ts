// What loads other than requests in HTTP/1.1 report, of servers that answer as is known.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createServer } from 'node:tls';
import { writeCertificate } from '../../bench/certificates.ts';
import { Children } from '../../bench/children.ts';
import { figuresIn, h2load } from '../../bench/load/h2load.ts';
import { handshakeLoop, messageLoop } from '../../bench/load/own.ts';
import { freePort } from '../../bench/ports.ts';
import { get } from '../../bench/scenarios/entrants.ts';
import { protocols } from '../../bench/scenarios/protocols.ts';
import { tls } from '../../bench/scenarios/tls.ts';
import type { Setup } from '../../bench/setups.ts';
import { Upstreams } from '../../bench/upstreams.ts';

const REPORT = `starting benchmark...
finished in 950.20ms, 3157.22 req/s, 1.13MB/s
requests: 3010 total, 3000 started, 2990 done, 2987 succeeded, 3 failed, 1 errored, 0 timeout
`;

test("h2load's report is read: what succeeded, what failed, and the time in any of its units", () => {
  assert.deepEqual(figuresIn(REPORT), { requests: 2987, seconds: 0.9502, errors: 3 });
  assert.equal(figuresIn(REPORT.replace('950.20ms', '1.05s')).seconds, 1.05);
  assert.throws(() => figuresIn('connect: refused'), /h2load reported nothing: connect: refused/);
});

test('messages go there and back over WebSocket and in streams of gRPC, each counted when all of it has come', async (t) => {
  const { children, folder } = setting(t);
  const upstreams = new Upstreams({ children, folder, sizes: [300], plain: 0 });
  const cases = [
    ['websocket', 'websocket'],
    ['grpc-stream', 'grpc-echo'],
  ] as const;
  for (const [name, behind] of cases) {
    const { traffic } = protocols.find((scenario) => scenario.name === name)!;
    const origin = `http://127.0.0.1:${await upstreams.port(behind)}`;
    const { requests, errors } = await messageLoop(children).run(origin, traffic, 0.5);
    assert.equal(errors, 0, name);
    assert.ok(requests > traffic.connections, `${name}: ${requests}`);
  }
});

test('connections that nobody takes are errors and no messages', async (t) => {
  const { children } = setting(t);
  const traffic = get(300, { as: 'websocket-messages', connections: 3, requestBodyBytes: 100 });
  const { requests, errors } = await messageLoop(children).run(`http://127.0.0.1:${await freePort()}`, traffic, 0.3);
  assert.deepEqual([requests, errors], [0, 3]);
});

test('handshakes are full, or resume the one before where that is what is measured', async (t) => {
  const { children, folder } = setting(t);
  const { key, chain } = await writeCertificate(folder);
  const resumed = { yes: 0, no: 0 };
  const server = createServer({ key: readFileSync(key), cert: readFileSync(chain) }, (socket) => {
    resumed[socket.isSessionReused() ? 'yes' : 'no']++;
    socket.on('error', () => socket.destroy());
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const [full, again] = ['handshake-full', 'handshake-resumed'].map((name) => tls.find((one) => one.name === name)!);
  const first = await handshakeLoop(children).run(origin, full.traffic, 0.5);
  assert.equal(first.errors, 0);
  assert.ok(first.requests > 0 && resumed.yes === 0 && resumed.no >= first.requests);
  resumed.no = 0;
  const second = await handshakeLoop(children).run(origin, again.traffic, 0.5);
  assert.equal(second.errors, 0);
  assert.ok(second.requests > 0 && resumed.no <= again.traffic.connections, `${resumed.no} of ${second.requests}`);
});

test('HTTP/2 is asked of its upstreams by h2load, or h2load is named as what is missing', async (t) => {
  const { children, folder } = setting(t);
  const load = h2load(children);
  const absent = load.missing();
  if (absent !== null) {
    assert.equal(absent, 'h2load is not on PATH (Debian: apt-get install nghttp2-client)');
    return;
  }
  const upstreams = new Upstreams({ children, folder, sizes: [300], plain: 0 });
  for (const name of ['h2', 'grpc-unary']) {
    const { traffic, entrants } = protocols.find((scenario) => scenario.name === name)!;
    const behind: Setup['behind'] = entrants[0].setup.behind;
    const figures = await load.run(`http://127.0.0.1:${await upstreams.port(behind)}`, traffic, 1);
    assert.equal(figures.errors, 0, name);
    assert.ok(figures.requests > 0, name);
  }
});

function setting(t: TestContext): { readonly children: Children; readonly folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-test-'));
  const children = new Children();
  t.after(async () => {
    await children.stop();
    rmSync(folder, { recursive: true });
  });
  return { children, folder };
}
