// Interim answers through a proxy, and clients that wait for one before they upload: at gateways, sidecars and applications.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startDataPlane, startTcp } from './data-plane.ts';
import { edgeTo } from './edge.ts';
import { OK } from './scripted.ts';

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n';
const HINTS_SEEN = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n';

/** What the upstream does with a head; and with all that follows on the connection. */
let onHead: (socket: Socket, head: string) => void;
let onMore: (socket: Socket, text: string) => void;
let port: number;
let sidecar: RunningDataPlane;
let edge: RunningDataPlane;
const closers: (() => unknown)[] = [];

const resource = (kind: string, name: string, spec: object): string =>
  JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind, metadata: { name }, spec });

before(async () => {
  const upstream = await startTcp((socket) => {
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      if (/^[A-Z]+ \/ HTTP\/1\.1\r\n/.test(text)) onHead(socket, text);
      else onMore(socket, text);
    });
  });
  port = upstream.port;
  const up = serviceEntry('up.example', port);
  const retried = resource('VirtualService', 'up', {
    hosts: ['up.example'],
    http: [{ retries: { attempts: 2, retryOn: '5xx' }, route: [{ destination: { host: 'up.example' } }] }],
  });
  sidecar = await startDataPlane({ appPort: port, yaml: [up, retried] });
  edge = await startDataPlane({
    role: 'gateway',
    yaml: [up, edgeTo('up.example')],
  });
  closers.push(upstream.close, sidecar.close, edge.close);
});

after(async () => {
  for (const close of closers) await close();
});

const listeners = (): [string, number][] => [
  ['outbound', sidecar.ports.outbound],
  ['inbound', sidecar.ports.inbound],
  ['gateway', edge.ports.gateway],
];

/** A client that sends its body when it is told to, and notes whether it was. */
function upload(at: number, body = 'body'): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(at, '127.0.0.1');
    socket.setTimeout(5000, () => socket.destroy(new Error(`nothing came for 5 s; so far: ${received}`)));
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (received === CONTINUE) socket.write(body);
    });
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
    socket.write(
      `PUT / HTTP/1.1\r\nHost: up.example\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
  });
}

test('interim answers reach clients of HTTP/1.1 as they came, and none of HTTP/1.0', async () => {
  onHead = (socket) => socket.write(`${HINTS}HTTP/1.1 102 Processing\r\n\r\n${HINTS}${OK}`);
  for (const [listener, at] of listeners()) {
    for (const method of ['GET', 'HEAD', 'POST']) {
      if (method === 'HEAD') onHead = (socket) => socket.write(`${HINTS}${OK.slice(0, -2)}`);
      const request = `${method} / HTTP/1.1\r\nHost: up.example\r\n`;
      const received = await exchangeBytes(at, `${request}Connection: close\r\nContent-Length: 0\r\n\r\n`);
      assert.ok(received.startsWith(HINTS_SEEN), `${listener} ${method}: ${received}`);
      assert.match(received, /\r\n\r\nHTTP\/1.1 200 OK\r\n/);
      if (method !== 'HEAD')
        assert.ok(received.startsWith(`${HINTS_SEEN}HTTP/1.1 102 Processing\r\n\r\n${HINTS_SEEN}`));
      onHead = (socket) => socket.write(`${HINTS}HTTP/1.1 102 Processing\r\n\r\n${HINTS}${OK}`);
    }
    const old = await exchangeBytes(at, 'GET / HTTP/1.0\r\nHost: up.example\r\n\r\n');
    assert.match(old, /^HTTP\/1.1 200 OK\r\n/, listener);
  }
});

test('an upstream that says no from the head gets no body, and its answer is all that a waiting client gets', async () => {
  const answer = 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno';
  for (const [listener, at] of listeners()) {
    let got = '';
    let more = '';
    onHead = (socket, head) => {
      got = head;
      socket.write(answer);
    };
    onMore = (_socket, text) => (more += text);
    const received = await upload(at);
    assert.match(received, /^HTTP\/1.1 401 Unauthorized\r\n[\s\S]*\r\nConnection: close\r\n[\s\S]*no$/, listener);
    assert.match(got, /\r\nExpect: 100-continue\r\n/);
    assert.equal(more, '');
  }
});

test('an upstream that wants the body says so to its client', async () => {
  for (const [listener, at] of listeners()) {
    onHead = (socket) => setTimeout(() => socket.write(CONTINUE), 10);
    onMore = (socket, text) => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
    const received = await upload(at);
    assert.match(received, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n[\s\S]*body$/, listener);
  }
});

test('another attempt waits for the upstream as the first one did', async () => {
  const heads: string[] = [];
  onHead = (socket, head) => {
    heads.push(head);
    socket.write(heads.length === 1 ? 'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n' : CONTINUE);
  };
  onMore = (socket) => socket.write(OK);
  assert.match(await upload(sidecar.ports.outbound), /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/);
  assert.equal(heads.length, 2);
  for (const head of heads) assert.match(head, /\r\nExpect: 100-continue\r\n/);
});

test('who asks to upload to what answers in HTTP/1.0 is told to go on by the proxy', async () => {
  const inOld = (socket: Socket): void => void socket.end('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok');
  for (const [listener, at] of listeners()) {
    onHead = inOld;
    await exchangeBytes(at, 'GET / HTTP/1.1\r\nHost: up.example\r\nConnection: close\r\n\r\n');
    let got = '';
    onHead = (socket, head) => {
      got += head;
      if (head.includes('\r\n\r\nbody')) inOld(socket);
    };
    onMore = inOld;
    assert.match(await upload(at), /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/, listener);
    assert.doesNotMatch(got, /Expect/i);
  }
  // And when it has learned more, it says so itself.
  onHead = (socket) => socket.write(OK);
  await exchangeBytes(sidecar.ports.inbound, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  onHead = (socket) => socket.write('HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n');
  assert.match(await upload(sidecar.ports.inbound), /^HTTP\/1.1 413 /);
});

test('a proxy that answers by itself wants no body', async () => {
  sidecar.apply(
    resource('VirtualService', 'up', {
      hosts: ['up.example'],
      http: [{ directResponse: { status: 403, body: { string: 'no' } } }],
    }),
  );
  assert.match(await upload(sidecar.ports.outbound), /^HTTP\/1.1 403 Forbidden\r\n[\s\S]*\r\nConnection: close\r\n/);
});
