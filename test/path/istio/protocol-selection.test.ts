// Istio's page on protocol selection: what a port is named, or its appProtocol says, is what it speaks, from sidecar to sidecar and in
// plain text; where nothing is declared it is found out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { decodeYaml } from '../../../core/config/decode.ts';
import { exchangeBytes, type RunningDataPlane, startDataPlane, startTcp } from '../data-plane.ts';
import { testAuthority } from '../identities.ts';

const CALLER = '127.57.1.1';
const SERVER = '127.57.1.2';
const GET = 'GET /a HTTP/1.1\r\nHost: any\r\n\r\n';
const ANY = 'any:7000';

const closers: (() => unknown)[] = [];
let caller: RunningDataPlane;
let server: RunningDataPlane;
let appPort = 0;

before(async () => {
  const authority = await testAuthority();
  // Answers HTTP where that is asked, else what it hears.
  const app = await startTcp((socket) => {
    socket.on('data', (chunk) =>
      socket.write(/^GET /.test(`${chunk}`) ? 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK' : chunk),
    );
  });
  appPort = app.port;
  server = await startDataPlane({
    ...{ address: SERVER, labels: { app: 'any' }, serviceAccount: 'any', services: ['any'], appPort },
  });
  caller = await startDataPlane({
    ...{ address: CALLER, labels: { app: 'shop' }, serviceAccount: 'shop', upstreams: [ANY] },
  });
  server.plane.setIdentity(await authority.identity('any'));
  caller.plane.setIdentity(await authority.identity('shop'));
  closers.push(app.close, authority.close, server.close, caller.close);
});

after(async () => {
  for (const close of closers.reverse()) await close();
});

const at = (id: string, address: string, port: number, services: string[]) => ({
  ...{ id, name: `${id}-1`, workload: id, namespace: 'default', serviceAccount: id, trustDomain: 'cluster.local' },
  ...{ labels: { app: id }, services, address, port, appPort, weight: 1, locality: '', tls: true },
});

const service = (port: string): string => `
apiVersion: v1
kind: Service
metadata: { name: any }
spec: { selector: { app: any }, ports: [{ port: 7000, targetPort: ${appPort}, ${port} }] }`;

/** What the server's sidecar does with a request and with a word that is none: 'http', 'bytes' or 'either'. */
async function spoken(ask: (words: string, until: string) => Promise<string>): Promise<string> {
  const said: string[] = [];
  for (const [words, until] of [
    [GET, 'OK'],
    ['hello\n', '\n'],
  ]) {
    const before = server.records.length;
    const answer = await ask(words, until);
    await server.ended(before + 1);
    const { code } = server.records[before];
    said.push(code === 0 ? (answer.startsWith(words === GET ? 'HTTP/1.1 200' : words) ? 'bytes' : 'lost') : `${code}`);
  }
  return { '200 400': 'http', 'bytes bytes': 'bytes', '200 bytes': 'either' }[said.join(' ')] ?? said.join(' ');
}

const WAYS = {
  'sidecar to sidecar': (words: string, until: string) => exchangeBytes(caller.upstreams[ANY], words, until),
  'in plain text': (words: string, until: string) => exchangeBytes(server.ports.inbound, words, until, SERVER),
} as const;

for (const [port, expected] of [
  ['name: http', 'http'],
  ['name: http-web', 'http'],
  ['name: tcp', 'bytes'],
  ['name: tcp-web', 'bytes'],
  ['name: tls-web', 'bytes'],
  ['name: https-web', 'bytes'],
  ['name: mongo-web', 'bytes'],
  ['name: mysql-web', 'bytes'],
  ['name: redis-web', 'bytes'],
  ['name: web', 'either'],
  ['name: httpweb', 'either'],
  ['name: tcp-web, appProtocol: http', 'http'],
  ['name: http-web, appProtocol: tcp', 'bytes'],
  ['name: web, appProtocol: HTTP', 'http'],
  ['name: web, appProtocol: https', 'bytes'],
  ['name: web, appProtocol: mysql', 'bytes'],
  ['name: web, appProtocol: redis', 'bytes'],
  ['name: web, appProtocol: kubernetes.io/ws', 'http'],
  ['name: web, appProtocol: kubernetes.io/wss', 'bytes'],
  ['name: http-web, appProtocol: acme.example/unheard-of', 'either'],
  ['name: grpc', 'http'],
  ['name: grpc-web-ui', 'http'],
  ['name: http2-web', 'http'],
  ['name: web, appProtocol: grpc', 'http'],
  ['name: web, appProtocol: kubernetes.io/h2c', 'http'],
] as const) {
  test(`a port with ${port} speaks ${expected === 'either' ? 'what its clients do' : expected}`, async () => {
    for (const plane of [server, caller]) {
      plane.unconfigure();
      plane.told([at('shop', CALLER, 0, []), at('any', SERVER, server.ports.inbound, ['any'])]);
      plane.apply(service(port));
    }
    for (const [way, ask] of Object.entries(WAYS)) {
      // A request of HTTP/1.1 is none to an application of HTTP/2: what comes back is not asked here.
      if (/grpc|http2|h2c/.test(port)) {
        const before = server.records.length;
        await ask('hello\n', '\n');
        await server.ended(before + 1);
        assert.equal(server.records[before].code, 400, way);
      } else assert.equal(await spoken(ask), expected, way);
    }
  });
}

test('a port that speaks udp and is none of UDP is refused by name', () => {
  for (const port of ['name: udp-web', 'name: web, appProtocol: udp']) {
    const { problems } = decodeYaml(service(port));
    assert.match(problems.map(({ message }) => message).join(), /udp is not what a port of protocol TCP speaks/);
  }
});
