// A port of which nothing is declared: what its client speaks is read off its first bytes, who is silent is nobody yet, and nobody
// passes by silence, or by other words, what guards the port.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import { helloFor, inRecords } from '../fuzz/client-hello.ts';
import { until } from '../until.ts';
import { type RunningDataPlane, startDataPlane, startTcp } from './data-plane.ts';
import { type TestAuthority, testAuthority } from './identities.ts';
import { peerAuthentication } from './mtls-rules.ts';

const CALLER = '127.55.0.1';
const SERVER = '127.55.0.2';
const ANY = 'any:7000';

let authority: TestAuthority;
let caller: RunningDataPlane;
let server: RunningDataPlane;
/** What the application does with a connection. */
let serve: (socket: Socket) => void = () => undefined;
let connections = 0;
let names: string[] = [];
const closers: (() => unknown)[] = [];

const at = (id: string, address: string, port: number, services: string[]) => ({
  ...{ id, name: `${id}-1`, workload: id, namespace: 'default', serviceAccount: id, trustDomain: 'cluster.local' },
  ...{ labels: { app: id }, services, address, port, appPort: 7000, weight: 1, locality: '', tls: true },
});

const policy = (kind: string, spec: string) => `
apiVersion: security.istio.io/v1
kind: ${kind}
metadata: { name: any }
spec: ${spec}`;

const mesh = (spec: string) => `
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: default }
spec: ${spec}`;

/** Answers HTTP where that is spoken, else what it has heard. */
function answer(socket: Socket): void {
  socket.on('data', (chunk) => {
    const [, path] = /^[A-Z]+ (\S+) HTTP\/1\.1\r\n/.exec(chunk.toString('latin1')) ?? [];
    if (path !== undefined) socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${path.length}\r\n\r\n${path}`);
    else socket.write(chunk);
  });
  socket.on('end', () => socket.end());
}

before(async () => {
  authority = await testAuthority();
  closers.push(authority.close);
  const app = await startTcp((socket) => {
    connections++;
    serve(socket);
  });
  Object.assign(app.server, { allowHalfOpen: true });
  closers.push(app.close);
  server = await startDataPlane({
    ...{ address: SERVER, labels: { app: 'any' }, serviceAccount: 'any', services: ['any'], appPort: app.port },
    sink: { connectionEnded: ({ connection }) => names.push(connection.serverName ?? '') },
  });
  caller = await startDataPlane({
    ...{ address: CALLER, labels: { app: 'shop' }, serviceAccount: 'shop' },
    upstreams: [ANY],
  });
  closers.push(server.close, caller.close);
  server.plane.setIdentity(await authority.identity('any'));
  caller.plane.setIdentity(await authority.identity('shop'));
});

after(async () => {
  for (const close of closers.reverse()) await close();
});

beforeEach(() => {
  serve = answer;
  connections = 0;
  names = [];
  for (const plane of [server, caller]) {
    plane.unconfigure();
    plane.told([at('shop', CALLER, 0, []), at('any', SERVER, server.ports.inbound, ['any'])]);
    plane.records.length = 0;
  }
});

interface Heard {
  readonly socket: Socket;
  text: string;
  over: boolean;
}

/** With certificates by the caller's sidecar, or in plain text. */
function open(way: 'sidecar' | 'plain' = 'plain'): Heard {
  const [port, host] = way === 'plain' ? [server.ports.inbound, SERVER] : [caller.upstreams[ANY], '127.0.0.1'];
  const heard: Heard = { socket: connect({ port, host, allowHalfOpen: true }), text: '', over: false };
  closers.push(() => heard.socket.destroy());
  heard.socket.on('data', (chunk) => {
    heard.text += chunk.toString('latin1');
  });
  for (const event of ['end', 'close', 'error']) heard.socket.on(event, () => (heard.over = true));
  return heard;
}

/** What comes back for these words, and the line in the server's log. */
async function say(words: string | Buffer, way: 'sidecar' | 'plain' = 'plain') {
  const before = server.records.length;
  const heard = open(way);
  heard.socket.write(words as string, 'latin1');
  await until(`an answer to ${JSON.stringify(words.toString())}`, () => heard.over || heard.text !== '');
  heard.socket.destroy();
  await server.ended(before + 1);
  return { text: heard.text, record: server.records[before] };
}

const GET = 'GET /a HTTP/1.1\r\nHost: any\r\n\r\n';

test('HTTP is requests, and everything else is bytes', async () => {
  const others = [
    'hello\n',
    'PING\r\n',
    'SET GET value\r\n',
    '*1\r\n$4\r\nPING\r\n',
    '\0\0\0\x08\x04\xd2\x16\x2f',
    '<',
  ];
  for (const way of ['sidecar', 'plain'] as const) {
    const asked = await say(GET, way);
    assert.match(asked.text, /^HTTP\/1\.1 200 .*\/a$/s);
    assert.deepEqual([asked.record.code, asked.record.path], [200, '/a']);
    for (const words of others) {
      const { text, record } = await say(words, way);
      assert.equal(text, words);
      assert.deepEqual([record.code, record.received, record.sent], [0, words.length, words.length]);
    }
  }
});

test('HTTP in pieces is HTTP, and so is what is wrong with it', async () => {
  const heard = open();
  for (const piece of ['G', 'ET /', 'a HT', 'TP/1.1\r', '\nHost: any\r\n\r\n']) {
    heard.socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until('an answer', () => heard.text.endsWith('/a'));
  heard.socket.destroy();
  for (const words of ['GET /a HTTP/1.1 \r\n\r\n', 'GET  /a HTTP/1.1\r\n\r\n', 'get /a\tHTTP/9.9\r\n\r\n']) {
    assert.equal((await say(words)).record.code, 400, words);
  }
});

test('a request that pauses in its first word is one, and a word that is no method is passed on meanwhile', async () => {
  const [request, words, other] = [open(), open('sidecar'), open()];
  request.socket.write('GE');
  words.socket.write('PUT');
  other.socket.write('GETS');
  // The one that is waited for no longer than anybody.
  await until('the word', () => other.text === 'GETS');
  assert.deepEqual([request.text, words.text], ['', '']);
  request.socket.write('T /a HTTP/1.1\r\nHost: any\r\n\r\n');
  await until('an answer', () => request.text.endsWith('/a'));
  assert.match(request.text, /^HTTP\/1\.1 200 /);
  words.socket.write('TED');
  await until('the other word', () => words.text === 'PUTTED');
  const last = open();
  last.socket.end('GE');
  await until('the end', () => last.over && last.text === 'GE');
  for (const { socket } of [request, words, other]) socket.destroy();
  await server.ended(4);
});

test('TLS of the application is carried, and whom it asks for is known', async () => {
  server.apply(peerAuthentication('DISABLE'));
  const hello = inRecords(helloFor('any.example.com'));
  const { record } = await say(hello);
  assert.deepEqual([record.code, record.received], [0, hello.length]);
  assert.deepEqual(names, ['any.example.com']);
});

test('a word without an end is passed on, and so is the end of who said it', async () => {
  const heard = open();
  heard.socket.write('hello');
  await until('the word', () => heard.text === 'hello');
  const other = open();
  other.socket.end('bye');
  await until('the word and the end', () => other.text === 'bye' && other.over);
});

test('a server that speaks first is heard, however its client comes', async () => {
  serve = (socket) => {
    socket.write('220 ready\n');
    answer(socket);
  };
  for (const mode of ['PERMISSIVE', 'DISABLE'] as const) {
    server.apply(peerAuthentication(mode));
    for (const heard of mode === 'DISABLE' ? [open()] : [open('sidecar'), open()]) {
      await until(`the greeting of ${mode}`, () => heard.text !== '');
      heard.socket.write('QUIT\n');
      await until('the answer', () => heard.text === '220 ready\nQUIT\n');
      heard.socket.destroy();
    }
  }
  await server.ended(3);
  for (const { code, received, sent } of server.records) assert.deepEqual([code, received, sent], [0, 5, 15]);
});

test('who was silent and then speaks HTTP speaks HTTP, to its policies too', async () => {
  const get = policy('AuthorizationPolicy', '{ action: DENY, rules: [{ to: [{ operation: { paths: [/secret] } }] }] }');
  for (const way of ['sidecar', 'plain'] as const) {
    const open1 = open(way);
    const open2 = open(way);
    // The application has been listened to for both: longer than that nobody waits.
    await until('two connections', () => connections >= 2);
    server.apply(get);
    open1.socket.write(GET);
    open2.socket.write(GET.replace('/a', '/secret'));
    await until('two answers', () => open1.text !== '' && open2.text !== '');
    assert.match(open1.text, /^HTTP\/1\.1 200 /);
    assert.match(open2.text, /^HTTP\/1\.1 403 /);
    for (const { socket } of [open1, open2]) socket.destroy();
    server.unconfigure();
    connections = 0;
  }
});

test('rules that ask of requests keep others out: silent ones, and other words', async () => {
  server.apply(
    policy('AuthorizationPolicy', '{ action: ALLOW, rules: [{ to: [{ operation: { methods: [GET] } }] }] }'),
  );
  assert.match((await say(GET)).text, /^HTTP\/1\.1 200 /);
  assert.equal((await say('hello\n')).text, '');
  serve = (socket) => socket.write('220 ready\n');
  const heard = open();
  await until('the end', () => heard.over);
  assert.equal(heard.text, '');
});

test('where filters stand for requests alone, the port speaks HTTP alone', async () => {
  const authn = policy('RequestAuthentication', '{ jwtRules: [{ issuer: a, jwks: "{\\"keys\\":[]}" }] }');
  const limit = `
apiVersion: weft.dev/v1
kind: RateLimitPolicy
metadata: { name: any }
spec: { limits: [{ name: all, requests: 100, per: 1m }] }`;
  for (const guard of [authn, limit]) {
    server.unconfigure();
    server.apply(guard);
    connections = 0;
    const { text, record } = await say('hello\n');
    assert.match(text, /^HTTP\/1\.1 400 /);
    assert.equal(flagNames(record.flags), 'DPE');
    assert.equal(connections, 0);
    assert.match((await say(GET)).text, /^HTTP\/1\.1 200 /);
  }
});

test('a guard that comes while a client is silent holds for it', async () => {
  serve = (socket) => socket.on('data', () => socket.write('passed'));
  const heard = open('sidecar');
  await until('the application is listened to', () => connections === 1);
  server.apply(policy('RequestAuthentication', '{ jwtRules: [{ issuer: a, jwks: "{\\"keys\\":[]}" }] }'));
  heard.socket.write('hello\n');
  await until('an answer', () => heard.text !== '');
  assert.match(heard.text, /^HTTP\/1\.1 400 /);
});

test('with protocolDetectionTimeout 0s nobody is taken for anything by being silent', async () => {
  server.apply(mesh('{ protocolDetectionTimeout: 0s }'));
  serve = (socket) => {
    socket.write('220 ready\n');
    answer(socket);
  };
  const heard = [open(), open('sidecar')];
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual([connections, heard[0].text, heard[1].text], [0, '', '']);
  for (const { socket } of heard) socket.write('hello\n');
  await until('bytes', () => heard.every(({ text }) => text.endsWith('hello\n')));
  for (const { socket } of heard) socket.destroy();
});
