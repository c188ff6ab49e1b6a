// A requirement of HTTP's RFCs for intermediaries a row: what a client sends, what the upstream must get, what it answers, and what
// the client must get; each through a sidecar's two ports and a gateway. Or the reason why there is nothing to try.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { type RunningDataPlane, serviceEntry, startDataPlane, startTcp } from '../data-plane.ts';
import { type Message, readMessage } from './messages.ts';

/** Text that has to be there (a whole line, unless it is an expression), or `not` be there. */
export type Expected = string | RegExp | { readonly not: string | RegExp };

export interface Row {
  /** '9112 3.2'. */
  readonly section: string;
  /** In words of our own. */
  readonly must: string;
  /** Bytes of the request; its Host is 'up.example' where it says HOST. */
  readonly ask?: string;
  /** Bytes of the answer; without it the upstream says 200 and 'ok'. `null`: the upstream must hear nothing. */
  readonly answer?: string | null;
  /** The upstream closes after its answer. */
  readonly closes?: boolean;
  readonly upstream?: readonly Expected[];
  readonly upstreamBody?: string;
  readonly client?: readonly Expected[];
  readonly clientBody?: string;
  /** Interim answers that come before. */
  readonly interim?: readonly string[];
  /** Status of the answer; 200 unless said. 0: the connection is cut off. */
  readonly status?: number;
  /** Whether the connection takes another request afterwards; true unless said. */
  readonly reused?: boolean;
  /** Why it is not tried here: another test's file, or that it does not concern an intermediary that is no cache. */
  readonly why?: string;
}

export const HOST = 'Host: up.example\r\n';
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const PROBE = 'GET /probe HTTP/1.1\r\nHost: up.example\r\nConnection: close\r\n\r\n';
const PROBED = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nprobed';

interface Upstream {
  row: Row;
  heard: Message | null;
  probes: number;
}

/** Tries all rows, each at each listener. */
export function tryTable(name: string, rows: readonly Row[]): void {
  suite(name, () => {
    const upstream: Upstream = { row: rows[0], heard: null, probes: 0 };
    let sidecar: RunningDataPlane;
    let edge: RunningDataPlane;
    const closers: (() => unknown)[] = [];

    before(async () => {
      const server = await startTcp((socket) => {
        let received = '';
        socket.on('data', (chunk) => {
          received += chunk.toString('latin1');
          for (;;) {
            const message = readMessage(received);
            if (message === null) return;
            received = message.rest;
            if (message.head.startsWith('GET /probe')) {
              upstream.probes++;
              socket.write(PROBED);
              continue;
            }
            upstream.heard = message;
            const { answer, closes } = upstream.row;
            socket.write(answer ?? OK, 'latin1');
            if (closes === true) socket.end();
          }
        });
      });
      const up = serviceEntry('up.example', server.port);
      sidecar = await startDataPlane({ appPort: server.port, appProtocol: 'http', yaml: [up] });
      edge = await startDataPlane({ role: 'gateway', yaml: [up, ...GATEWAY] });
      closers.push(server.close, sidecar.close, edge.close);
    });

    after(async () => {
      for (const close of closers) await close();
    });

    for (const row of rows) {
      const { section, must, why } = row;
      if (why !== undefined) continue;
      test(`RFC ${section}: ${must}`, async () => {
        for (const [listener, port] of [
          ['outbound', sidecar.ports.outbound],
          ['inbound', sidecar.ports.inbound],
          ['gateway', edge.ports.gateway],
        ] as const) {
          upstream.row = row;
          upstream.heard = null;
          upstream.probes = 0;
          const received = await converse(port, row);
          check(row, upstream, received, listener);
        }
      });
    }

    test('every row says what is tried or why nothing is, and where it stands in its RFC', () => {
      for (const { section, must, ask, why } of rows) {
        assert.match(section, /^911[012] \d+(\.\d+)*$/);
        assert.ok((ask === undefined) !== (why === undefined), must);
        assert.ok(must.length > 10 && (why === undefined || why.length > 10), must);
        for (const [file] of why?.matchAll(/test\/[\w/-]+\.test\.ts/g) ?? []) {
          assert.ok(existsSync(new URL(`../../../${file}`, import.meta.url)), file);
        }
      }
    });
  });
}

/** All that comes back for the row's request; when it is answered whole, for one more on the same connection, too. */
function converse(port: number, row: Row): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    let probed = false;
    const bodyless = row.ask!.startsWith('HEAD ');
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(5000, () => socket.destroy(new Error(`nothing came for 5 s; so far: ${received}`)));
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (probed) return;
      const answer = finalAnswer(received, bodyless, false);
      if (answer === null) return;
      probed = true;
      if (socket.writable) socket.write(PROBE);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.on('close', () => resolve(received));
    socket.write(Buffer.from(row.ask!, 'latin1'));
  });
}

function finalAnswer(received: string, bodyless: boolean, closed: boolean): (Message & { interim: string[] }) | null {
  const interim: string[] = [];
  let rest = received;
  for (;;) {
    const message = readMessage(rest, bodyless && !/^HTTP\/1\.1 1/.test(rest), closed);
    if (message === null) return null;
    if (!/^HTTP\/1\.1 1/.test(message.head)) return { ...message, interim };
    interim.push(message.head);
    rest = message.rest;
  }
}

function check(row: Row, upstream: Upstream, received: string, listener: string): void {
  const { heard } = upstream;
  const about = (what: string): string => `${listener}: ${what}\n--- upstream\n${heard?.head}\n--- client\n${received}`;
  if (row.answer === null) assert.equal(heard, null, about('the upstream heard of it'));
  if (row.upstream !== undefined || row.upstreamBody !== undefined) {
    assert.ok(heard !== null, about('the upstream heard nothing'));
    for (const one of row.upstream ?? []) expect(one, heard.head + heard.trailers, about);
    if (row.upstreamBody !== undefined) assert.equal(heard.body, row.upstreamBody, about('the body'));
  }
  const answer = finalAnswer(received, row.ask!.startsWith('HEAD '), true);
  if (row.status === 0) {
    assert.ok(finalAnswer(received, false, false) === null, about('it looks whole'));
    return;
  }
  assert.ok(answer !== null, about('no whole answer'));
  assert.ok(answer.head.startsWith(`HTTP/1.1 ${row.status ?? 200} `), about(`not ${row.status ?? 200}`));
  for (const one of row.client ?? []) expect(one, answer.head + answer.trailers, about);
  if (row.clientBody !== undefined) assert.equal(answer.body, row.clientBody, about('the body'));
  assert.deepEqual(answer.interim, row.interim ?? [], about('interim answers'));
  const reused = row.reused ?? true;
  assert.equal(upstream.probes, reused ? 1 : 0, about(reused ? 'the connection was not reused' : 'it was reused'));
  assert.equal(/^connection: close\r$/im.test(answer.head), !reused, about('what it says of the connection'));
  if (reused) assert.ok(answer.rest.endsWith('probed'), about('what followed'));
  else assert.equal(answer.rest, '', about('what followed'));
}

function expect(one: Expected, head: string, about: (what: string) => string): void {
  const unwanted = typeof one === 'object' && 'not' in one;
  const what = unwanted ? one.not : one;
  const there =
    typeof what === 'string' ? head.includes(`\r\n${what}\r\n`) || head.startsWith(`${what}\r\n`) : what.test(head);
  assert.equal(there, !unwanted, about(`${unwanted ? 'there' : 'not there'}: ${what}`));
}

const resource = (kind: string, spec: object): string =>
  JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind, metadata: { name: 'edge' }, spec });

const GATEWAY = [
  resource('Gateway', {
    selector: { istio: 'ingressgateway' },
    servers: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
  }),
  resource('VirtualService', {
    hosts: ['*'],
    gateways: ['edge'],
    http: [{ route: [{ destination: { host: 'up.example' } }] }],
  }),
];
