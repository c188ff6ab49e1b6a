// Another codec goes through the proxy's own listener, exchanges, filters, router and pools: only the map of codecs differs.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { flagNames } from '../../../../core/errors.ts';
import type { ClientConnection } from '../../../../core/http/codec.ts';
import { Head } from '../../../../core/http/head.ts';
import { CODECS } from '../../../../core/proxy.ts';
import {
  type Asked,
  answerWith,
  type CodecServer,
  clientOf,
  fill,
  PIECE,
  Sent,
  serverOf,
} from '../../../contract/codec-rig.ts';
import { type RunningDataPlane, serviceEntry, startDataPlane } from '../../../path/data-plane.ts';
import { toyCodec } from './codec.ts';
import { ToyServerConnection } from './connection.ts';

const CHAIN = `
apiVersion: weft.dev/v1
kind: FilterChain
metadata: {name: team}
spec:
  direction: outbound
  insert: [{filter: headers, before: fault, config: {request: {set: {x-team: blue}}, response: {remove: [x-secret]}}}]
`;

interface Mesh {
  readonly plane: RunningDataPlane;
  readonly upstream: CodecServer;
  /** The client's only connection to the proxy. */
  readonly client: ClientConnection;
}

/** `streams`: what the upstream takes on a connection. */
async function mesh(
  t: TestContext,
  { streams = 100, yaml = '', onAsked = (_asked: Asked): void => {} } = {},
): Promise<Mesh> {
  const toy = toyCodec(100, streams);
  const upstream = await serverOf(t, toyCodec(streams), onAsked);
  const configuration = [serviceEntry('up.example', upstream.port), CHAIN, ...(yaml === '' ? [] : [yaml])];
  const plane = await startDataPlane({ codecs: { ...CODECS, 'http/1.1': toy }, yaml: configuration });
  t.after(() => plane.close());
  const { client } = await clientOf(t, toyCodec(), plane.ports.outbound);
  return { plane, upstream, client };
}

function send(client: ClientConnection, path: string, end: boolean): Sent {
  const sent = new Sent(client);
  const head = Head.request(end ? 'GET' : 'POST', 'up.example', path);
  head.contentLength = end ? 0 : -1;
  sent.stream.writeHead(head, end);
  return sent;
}

test('requests beside each other on one connection go over one connection, through the filters, their bodies between each other', async (t) => {
  const { plane, upstream, client } = await mesh(t);
  const sent = Array.from({ length: 8 }, (_, i) => send(client, `/${i}`, false));
  const asked = await Promise.all(sent.map(() => upstream.asked()));
  for (let round = 0; round < 3; round++) {
    for (const [i, { stream }] of sent.entries()) stream.writeData(Buffer.alloc(5000, `${i}${round}`), round === 2);
    await turn();
  }
  for (const one of asked) {
    const i = one.head!.path.slice(1);
    assert.equal(await one.over(), 'head, data, end');
    assert.ok(one.body === [0, 1, 2].map((round) => `${i}${round}`.repeat(2500)).join(''));
    assert.equal(new Map(one.fields).get('x-team'), 'blue');
  }
  for (const { stream, head } of asked.reverse()) {
    const answer = Head.response(200, [['x-secret', '1']]);
    answer.contentLength = -1;
    stream.writeHead(answer, false);
    stream.writeData(Buffer.from(`answer to ${head!.path}`), false);
    stream.writeTrailers(Head.response(0, [['x-end', head!.path]]));
  }
  for (const [i, one] of sent.entries()) {
    assert.equal(await one.over(), 'head, data, trailers, end');
    assert.deepEqual([one.body, one.trailers], [`answer to /${i}`, [['x-end', `/${i}`]]]);
    assert.equal(new Map(one.fields).has('x-secret'), false);
  }
  await plane.ended(8);
  assert.deepEqual([upstream.served.length, plane.records.map(({ code }) => code)], [1, Array(8).fill(200)]);
});

test('a client that takes nothing of one answer stops its upstream, and no other request', async (t) => {
  const { upstream, client } = await mesh(t);
  const slow = send(client, '/slow', true);
  const big = await upstream.asked();
  slow.stream.pauseReading();
  const answer = Head.response(200);
  answer.contentLength = -1;
  big.stream.writeHead(answer, false);
  const pieces = await fill(big);
  for (let i = 0; i < 3; i++) {
    const quick = send(client, '/quick', true);
    answerWith((await upstream.asked()).stream, 'q'.repeat(3 * PIECE));
    await quick.over();
    assert.equal(quick.body.length, 3 * PIECE);
  }
  assert.equal(slow.body, '');
  slow.stream.resumeReading();
  big.stream.writeData(Buffer.alloc(0), true);
  assert.equal(await slow.over(), 'head, data, end');
  assert.equal(slow.body.length, pieces * PIECE);
  assert.equal(upstream.served.length, 1);
});

test('an upstream that takes nothing of one request stops its client, and no other request', async (t) => {
  const { upstream, client } = await mesh(t, {
    onAsked: ({ head, stream }) => head!.path === '/slow' && stream.pauseReading(),
  });
  const slow = send(client, '/slow', false);
  const held = await upstream.asked();
  const pieces = await fill(slow);
  const quick = send(client, '/quick', true);
  answerWith((await upstream.asked()).stream, 'quick');
  await quick.over();
  held.stream.resumeReading();
  slow.stream.writeData(Buffer.alloc(0), true);
  await held.over();
  assert.equal(held.body.length, pieces * PIECE);
  answerWith(held.stream, 'got it');
  await slow.over();
  assert.equal(slow.body, 'got it');
});

test('a stream that is given up, by the client or by the upstream, leaves the others alone', async (t) => {
  const { plane, upstream, client } = await mesh(t);
  const sent = [send(client, '/0', false), send(client, '/1', false), send(client, '/2', false)];
  const asked = [await upstream.asked(), await upstream.asked(), await upstream.asked()];
  sent[0].stream.reset();
  assert.equal(await asked[0].over(), 'head, reset client_gone');
  asked[1].stream.reset();
  await sent[1].over();
  assert.equal(sent[1].head!.status, 503);
  sent[2].stream.writeData(Buffer.from('on'), true);
  await asked[2].over();
  answerWith(asked[2].stream, 'and on');
  await sent[2].over();
  assert.equal(sent[2].body, 'and on');
  await plane.ended(3);
  const ends = plane.records.map(({ code, flags }) => `${code} ${flagNames(flags)}`);
  assert.deepEqual(ends.sort(), ['0 DC', '200 -', '503 UC']);
  assert.equal(upstream.served.length, 1);
});

test('a connection to an upstream that is lost fails all its streams, and the client’s connection goes on', async (t) => {
  const { plane, upstream, client } = await mesh(t);
  const sent = [send(client, '/0', false), send(client, '/1', false), send(client, '/2', true)];
  const asked = [await upstream.asked(), await upstream.asked(), await upstream.asked()];
  const begun = Head.response(200);
  begun.contentLength = -1;
  asked[2].stream.writeHead(begun, false);
  await sent[2].until(({ head }) => head !== null);
  upstream.served[0].transport.reset();
  for (const one of sent.slice(0, 2)) {
    await one.over();
    assert.equal(one.head!.status, 503);
  }
  // Its head was out: all that the client can be told is that it is not whole.
  assert.equal(await sent[2].over(), 'head, reset reset_after_response');
  await plane.ended(3);
  const after = send(client, '/after', true);
  answerWith((await upstream.asked()).stream, 'again');
  await after.over();
  assert.deepEqual([after.body, upstream.served.length], ['again', 2]);
});

test('a client that is lost ends all its exchanges, and their streams upstream', async (t) => {
  const { plane, upstream, client } = await mesh(t);
  for (const path of ['/0', '/1']) send(client, path, true);
  const asked = [await upstream.asked(), await upstream.asked()];
  client.destroy();
  for (const one of asked) await one.until(({ told }) => told.at(-1) === 'reset client_gone');
  await plane.ended(2);
  assert.deepEqual(
    plane.records.map(({ flags }) => String(flagNames(flags))),
    ['DC', 'DC'],
  );
});

test('a connection is given the streams that its upstream takes, and another is opened for more', async (t) => {
  const limit = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: up}
spec: {host: up.example, trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}}
`;
  const { upstream, client } = await mesh(t, { streams: 2, yaml: limit });
  const sent = Array.from({ length: 7 }, (_, i) => send(client, `/${i}`, true));
  const asked: Asked[] = [];
  for (let i = 0; i < 6; i++) asked.push(await upstream.asked());
  assert.deepEqual(
    upstream.served.map(({ connection }) => connection.activeStreams),
    [2, 2, 2],
  );
  // The seventh waits for a place, and takes the first that is free.
  answerWith(asked[0].stream, '');
  asked.push(await upstream.asked());
  assert.equal(upstream.served.length, 3);
  for (const { stream } of asked.slice(1)) answerWith(stream, '');
  for (const one of sent) await one.over();
});

test('an upstream that says it takes no more finishes what it has, and the next request goes elsewhere', async (t) => {
  const { plane, upstream, client } = await mesh(t);
  const sent = send(client, '/before', false);
  const asked = await upstream.asked();
  const { connection } = upstream.served[0];
  assert.ok(connection instanceof ToyServerConnection);
  const closed = new Promise<void>((resolve) => (connection.onClosed = resolve));
  connection.drain();
  // Until the proxy has heard of it.
  while (upstream.served.length === 1) {
    const next = send(client, '/after', true);
    answerWith((await upstream.asked()).stream, 'new');
    await next.over();
    assert.equal(next.body, 'new');
  }
  sent.stream.writeData(Buffer.from('the rest'), true);
  await asked.over();
  assert.equal(asked.body, 'the rest');
  answerWith(asked.stream, 'old');
  await sent.over();
  assert.equal(sent.body, 'old');
  await closed;
  assert.ok(plane.records.every(({ code }) => code === 200));
});

test('a listener that drains answers what is open on its connections, and then they close', async (t) => {
  const { plane, upstream, client } = await mesh(t);
  const sent = [send(client, '/0', true), send(client, '/1', true)];
  const asked = [await upstream.asked(), await upstream.asked()];
  const closed = new Promise<void>((resolve) => (client.onClosed = resolve));
  const drained = plane.plane.drain();
  for (const { stream } of asked) answerWith(stream, 'to the last');
  for (const one of sent) {
    await one.over();
    assert.equal(one.body, 'to the last');
  }
  await closed;
  await drained;
});
