import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { exchangeBytes, type RunningDataPlane, startApp, startDataPlane } from './data-plane.ts';

const MiB = 1 << 20;

let mesh: RunningDataPlane;
let appPort: number;
/** Bytes of answers that the application has handed to its socket. */
let produced = 0;
const closers: (() => unknown)[] = [];

before(async () => {
  const app = await startApp((incoming, response) => {
    const size = Number(new URL(incoming.url!, 'http://a').searchParams.get('size') ?? 0);
    if (incoming.method === 'POST') {
      const hash = createHash('sha256');
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        hash.update(chunk);
      });
      incoming.on('end', () =>
        response.end(`${bytes} ${hash.digest('hex')} ${incoming.headers['transfer-encoding'] ?? '-'}`),
      );
      return;
    }
    if (incoming.url!.startsWith('/empty')) {
      response.writeHead(Number(incoming.url!.slice(-3))).end();
      return;
    }
    if (incoming.url!.startsWith('/trailers')) {
      response.writeHead(200, { trailer: 'x-sum' });
      response.write('part');
      response.addTrailers({ 'x-sum': '42' });
      response.end();
      return;
    }
    const block = Buffer.alloc(64 << 10, 'x');
    let left = size;
    const more = (): void => {
      while (left > 0) {
        const piece = block.subarray(0, Math.min(left, block.length));
        left -= piece.length;
        produced += piece.length;
        if (!response.write(piece)) {
          response.once('drain', more);
          return;
        }
      }
      response.end();
    };
    more();
  });
  appPort = app.port;
  closers.push(app.close);
  mesh = await startDataPlane();
  closers.push(mesh.close);
});

after(async () => {
  for (const close of closers) await close();
});

function send(options: {
  path: string;
  method?: string;
  chunks?: readonly Buffer[];
  headers?: Record<string, string>;
}): Promise<{
  bytes: number;
  text: string;
  trailers: NodeJS.Dict<string>;
}> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port: mesh.ports.outbound,
        path: options.path,
        method: options.method ?? 'GET',
        agent: false,
        headers: { host: `127.0.0.1:${appPort}`, ...options.headers },
      },
      (response) => {
        let bytes = 0;
        let text = '';
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes < 1000) text += chunk;
        });
        response.on('end', () => resolve({ bytes, text, trailers: response.trailers }));
        response.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    for (const chunk of options.chunks ?? []) outgoing.write(chunk);
    outgoing.end();
  });
}

test('a large body that comes with its head, before there is a connection to the application, arrives as it was', async () => {
  const body = Buffer.alloc(40_000, 'comes with its head');
  const head = `POST / HTTP/1.1\r\nHost: 127.0.0.1:${appPort}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  const received = await exchangeBytes(mesh.ports.outbound, Buffer.concat([Buffer.from(head), body]));
  assert.match(received, new RegExp(`${body.length} ${createHash('sha256').update(body).digest('hex')}`));
});

for (const size of [0, 1, 1000, 65_535, 65_536, 1_000_000, 5 * MiB]) {
  test(`a body of ${size} bytes arrives whole, with its length and chunked`, async () => {
    const body = Buffer.alloc(size, 'abcdefghij');
    const sum = createHash('sha256').update(body).digest('hex');
    const fixed = await send({
      path: '/',
      method: 'POST',
      chunks: [body],
      headers: { 'content-length': String(size) },
    });
    assert.equal(fixed.text, `${size} ${sum} -`);
    const half = size >> 1;
    const chunks = [body.subarray(0, half), body.subarray(half)];
    const chunked = await send({ path: '/', method: 'POST', chunks, headers: { 'transfer-encoding': 'chunked' } });
    assert.equal(chunked.text, `${size} ${sum} chunked`);
  });
}

test('while a client does not read, its upstream is not read either, and nothing is lost', async () => {
  const total = 256 * MiB;
  await new Promise<void>((resolve, reject) => {
    const options = { host: '127.0.0.1', port: mesh.ports.outbound, path: `/?size=${total}`, agent: false as const };
    request({ ...options, headers: { host: `127.0.0.1:${appPort}` } }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('end', () => {
        assert.equal(bytes, total);
        resolve();
      });
      response.on('error', reject);
      response.pause();
      // What the application could hand over without being asked to wait is what lies in buffers on the way.
      let before = -1;
      const poll = setInterval(() => {
        if (produced !== before) {
          before = produced;
          return;
        }
        clearInterval(poll);
        if (produced > 64 * MiB) reject(new Error(`${produced / MiB} MiB are on the way`));
        response.resume();
      }, 100);
    })
      .on('error', reject)
      .end();
  });
});

test('trailers come through', async () => {
  const { text, trailers } = await send({ path: '/trailers', headers: { te: 'trailers' } });
  assert.equal(text, 'part');
  assert.equal(trailers['x-sum'], '42');
});

test('answers without a body keep the connection usable', async () => {
  const host = `Host: 127.0.0.1:${appPort}\r\n`;
  const answer = await exchangeBytes(
    mesh.ports.outbound,
    `GET /empty204 HTTP/1.1\r\n${host}\r\nGET /empty304 HTTP/1.1\r\n${host}\r\nHEAD /?size=10 HTTP/1.1\r\n${host}\r\n` +
      `GET /?size=3 HTTP/1.1\r\n${host}Connection: close\r\n\r\n`,
  );
  assert.deepEqual(
    [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['204', '304', '200', '200'],
  );
  assert.ok(answer.includes('xxx'));
});

test('a client of HTTP/1.0 gets its answer and the connection closes', async () => {
  const answer = await exchangeBytes(
    mesh.ports.outbound,
    `GET /?size=5 HTTP/1.0\r\nHost: 127.0.0.1:${appPort}\r\n\r\n`,
  );
  assert.match(answer, /^HTTP\/1\.\d 200 OK\r\n[\s\S]*\r\n\r\nxxxxx$/);
  assert.ok(!/chunked/i.test(answer));
});

test('a client that waits for 100 Continue is told to go on', async () => {
  const answer = await exchangeBytes(
    mesh.ports.outbound,
    `POST / HTTP/1.1\r\nHost: 127.0.0.1:${appPort}\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nok`,
  );
  assert.match(answer, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
});

test('a tunnel carries requests to the authority it names, whatever their Host says', async () => {
  const answer = await exchangeBytes(
    mesh.ports.outbound,
    `CONNECT 127.0.0.1:${appPort} HTTP/1.1\r\nHost: 127.0.0.1:${appPort}\r\n\r\n` +
      'GET /?size=2 HTTP/1.1\r\nHost: anything\r\n\r\nGET /?size=4 HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n',
  );
  assert.deepEqual(
    [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['200', '200', '200'],
  );
  assert.ok(answer.includes('xxxx'));
});

test('an absolute target overrides Host', async () => {
  const answer = await exchangeBytes(
    mesh.ports.outbound,
    `GET http://127.0.0.1:${appPort}/?size=4 HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n`,
  );
  assert.match(answer, /^HTTP\/1\.1 200 OK/);
});
