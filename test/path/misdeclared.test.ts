// A port of which one protocol is declared and where clients speak another: who looks for the reason finds it in the log and by the port.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { asTable } from '../../cli/proxy-dump.ts';
import { flagNames } from '../../core/errors.ts';
import type { ListenerDump } from '../../core/shard/dump.ts';
import { helloFor, inRecords } from '../fuzz/client-hello.ts';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';
import { edgeTo } from './edge.ts';

const HELLO = inRecords(helloFor('a.example'));
const REDIS = '*1\r\n$4\r\nPING\r\n';
const GET = 'GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n';

let sidecar: RunningDataPlane;
let gateway: RunningDataPlane;
const terminations: string[] = [];
const closers: (() => unknown)[] = [];

before(async () => {
  const app = await startApp((_, response) => response.end('hello'));
  sidecar = await startDataPlane({ appPort: app.port, appProtocol: 'http', services: ['app'] });
  gateway = await startDataPlane({
    role: 'gateway',
    sink: { connectionEnded: ({ terminationDetails = '' }) => terminations.push(terminationDetails) },
  });
  gateway.apply(edgeTo('app.test'), serviceEntry('app.test', app.port));
  closers.push(app.close, sidecar.close, gateway.close);
});

after(async () => {
  for (const close of closers.reverse()) await close();
});

const of = (plane: RunningDataPlane, kind: string): ListenerDump =>
  (plane.plane.dump('listeners') as ListenerDump[]).find((listener) => listener.kind === kind)!;

test('at ports of HTTP, TLS and other bytes are named, and requests that are wrong are no other protocol', async () => {
  for (const [plane, kind] of [
    [sidecar, 'inbound'],
    [sidecar, 'outbound'],
    [gateway, 'gateway'],
  ] as const) {
    const before = of(plane, kind).misdeclared;
    const port = plane.ports[kind];
    const rows = [
      [HELLO, 'http1.codec_error{tls_not_http}'],
      [REDIS, 'http1.codec_error{not_http}'],
    ] as const;
    for (const [bytes, details] of rows) {
      plane.records.length = 0;
      assert.match(await exchangeBytes(port, bytes), /^HTTP\/1\.1 400 /);
      const { code, flags, details: told } = plane.records[0];
      assert.deepEqual([code, flagNames(flags), told], [400, 'DPE', details], kind);
    }
    const { misdeclared, misdeclaredAt } = of(plane, kind);
    assert.equal(misdeclared, before + 2, kind);
    assert.ok(misdeclaredAt > 0 && misdeclaredAt <= Date.now());
    await exchangeBytes(port, 'GET / HTTP/1.1 \r\n\r\n');
    await exchangeBytes(port, GET);
    assert.equal(of(plane, kind).misdeclared, before + 2, kind);
  }
});

test('at a gateway that passes TLS through, what is none is named', async () => {
  gateway.apply(
    edgeTo('app.test').replace(
      /servers: .*/,
      "servers: [{ port: { number: 8080, name: tls, protocol: TLS }, hosts: ['*'], tls: { mode: PASSTHROUGH } }] }",
    ),
  );
  const before = of(gateway, 'gateway').misdeclared;
  gateway.records.length = 0;
  for (const bytes of [GET, HELLO]) {
    const socket = connect(gateway.ports.gateway, '127.0.0.1');
    closers.push(() => socket.destroy());
    socket.on('error', () => undefined).write(bytes);
  }
  await gateway.ended(2);
  assert.equal(of(gateway, 'gateway').misdeclared, before + 1);
  assert.deepEqual(terminations.sort(), ['', 'not_tls']);
});

test('mesh proxy-config listeners tells of it, where there is something to tell', () => {
  const row = { ...of(sidecar, 'inbound'), misdeclared: 2, misdeclaredAt: Date.UTC(2026, 0, 2) };
  assert.match(asTable('listeners', [row]), /MISDECLARED +LAST\n.* 2 +2026-01-02T00:00:00\.000Z/);
  assert.doesNotMatch(asTable('listeners', [{ ...row, misdeclared: 0 }]), /MISDECLARED/);
});
