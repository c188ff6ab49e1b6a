// A gateway's server that sends all of its requests to https.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { decodeYaml } from '../../core/config/decode.ts';
import { exchangeBytes, startDataPlane } from './data-plane.ts';

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers) await close();
});

const gateway = (name: string, hosts: string, tls: string): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: [${hosts}]${tls}}]
`;

const REDIRECT = ', tls: {httpsRedirect: true}';

test('every request for a host of the server is redirected, and others are served', async () => {
  const mesh = await startDataPlane({
    role: 'gateway',
    yaml: [
      gateway('edge', "'*.secure.test', ./own.test", REDIRECT),
      gateway('plain', 'plain.test, a.secure.test', ''),
      `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all}
spec: {hosts: ['*'], gateways: [edge, plain], http: [{directResponse: {status: 200}}]}
`,
    ],
  });
  closers.push(mesh.close);
  const ask = async (host: string): Promise<string> => {
    const head = `GET /a?b HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    const answer = await exchangeBytes(mesh.ports.gateway, head);
    return `${answer.slice(9, 12)} ${/\r\nlocation: (.*)\r\n/i.exec(answer)?.[1] ?? ''}`.trim();
  };
  assert.equal(await ask('b.secure.test'), '301 https://b.secure.test/a?b');
  assert.equal(await ask('b.secure.test:80'), '301 https://b.secure.test/a?b');
  assert.equal(await ask('Own.test'), '301 https://own.test/a?b');
  assert.equal(await ask('plain.test'), '200');
  assert.equal(await ask('a.secure.test'), '200', 'the more exact host is another server’s');
  assert.equal(await ask('unknown.test'), '404');
});

test('a server without TLS that has settings of it is refused', () => {
  const refused = (tls: string): (string | undefined)[] =>
    decodeYaml(gateway('edge', "'*'", `, tls: {${tls}}`)).problems.flatMap(({ severity, pointer }) =>
      severity === 'error' ? [pointer] : [],
    );
  assert.deepEqual(refused('httpsRedirect: true'), []);
  assert.deepEqual(refused('mode: SIMPLE, credentialName: a'), ['/spec/servers/0/tls']);
  assert.deepEqual(refused('privateKey: a'), ['/spec/servers/0/tls']);
});
