// What every codec owes those above it, whatever its bytes look like: run between its own two ends over a real connection.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ClientConnection, Codec, ServerConnection, Stream } from '../../core/http/codec.ts';
import { FieldName, Head } from '../../core/http/head.ts';
import { enter, leave } from '../../core/transport/outbox.ts';
import { passBorrowed, retainBytes } from '../../core/transport/read-buffer.ts';
import { answerWith, ask, fill, PIECE, pairOf, pieceAt, post, Sent, type Told } from './codec-rig.ts';

export function codecContract(name: string, codec: () => Codec): void {
  suite(`${name}, between its two ends,`, () => {
    test('brings head, body and trailers of a request and of its answer in this order, and each end once', async (t) => {
      const pair = await pairOf(t, codec());
      const sent = new Sent(pair.client);
      const head = Head.request('POST', 'reviews', '/a?b=c', [['X-One', '1']]);
      head.add('x-two', '2');
      head.contentLength = -1;
      sent.stream.writeHead(head, false);
      sent.stream.writeData(Buffer.from('how '), false);
      sent.stream.writeData(Buffer.from('are you'), false);
      sent.stream.writeTrailers(Head.response(0, [['x-sum', '7']]));
      const asked = await pair.asked();
      assert.equal(await asked.over(), 'head, data, trailers, end');
      assert.deepEqual([asked.head?.method, asked.head?.authority, asked.head?.path], ['POST', 'reviews', '/a?b=c']);
      // Names have no case; HTTP/1 keeps the one that they had.
      const fields = asked.fields.map(([name, value]) => [name.toLowerCase(), value]);
      assert.deepEqual(fields, [
        ['x-one', '1'],
        ['x-two', '2'],
      ]);
      assert.deepEqual([asked.body, asked.trailers], ['how are you', [['x-sum', '7']]]);

      const answer = Head.response(418, [['x-kind', 'pot']]);
      answer.contentLength = -1;
      asked.stream.writeHead(answer, false);
      asked.stream.writeData(Buffer.from('short '), false);
      asked.stream.writeData(Buffer.from('and stout'), false);
      asked.stream.writeTrailers(Head.response(0, [['x-end', 'y']]));
      assert.equal(await sent.over(), 'head, data, trailers, end');
      assert.deepEqual([sent.head?.status, sent.fields], [418, [['x-kind', 'pot']]]);
      assert.deepEqual([sent.body, sent.trailers], ['short and stout', [['x-end', 'y']]]);
    });

    test('brings interim answers before the head, also in the middle of the request, and each once', async (t) => {
      const pair = await pairOf(t, codec());
      const sent = post(pair.client);
      const asked = await pair.asked();
      asked.stream.writeInterim(Head.response(103, [['link', '</a>']]));
      await sent.until(({ told }) => told.length === 1);
      assert.deepEqual(sent.fields, [['link', '</a>']]);
      sent.stream.writeData(Buffer.from('body'), true);
      await asked.over();
      asked.stream.writeInterim(Head.response(102));
      answerWith(asked.stream, 'at last');
      assert.equal(await sent.over(), 'interim 103, interim 102, head, data, end');
    });

    test('ends a message without a body with its head, and one with a body with its last piece', async (t) => {
      const pair = await pairOf(t, codec(), (asked) =>
        answerWith(asked.stream, asked.head!.path === '/body' ? 'b' : ''),
      );
      for (const [path, told] of [
        ['/', 'head, end'],
        ['/body', 'head, data, end'],
      ]) {
        const sent = ask(pair.client, path);
        assert.equal(await sent.over(), told);
        assert.equal(await (await pair.asked()).over(), 'head, end');
      }
    });

    test('takes an empty last piece as the end', async (t) => {
      const pair = await pairOf(t, codec());
      const sent = post(pair.client);
      sent.stream.writeData(Buffer.from('all'), false);
      sent.stream.writeData(Buffer.alloc(0), true);
      const asked = await pair.asked();
      await asked.over();
      assert.deepEqual([asked.body, asked.told.at(-1)], ['all', 'end']);
    });

    test('says what a filter changed of a head, and not what it was', async (t) => {
      const pair = await pairOf(t, codec(), ({ stream }) => answerWith(stream));
      const first = ask(pair.client, '/', [
        ['x-changed', '1'],
        ['x-gone', '2'],
        ['x-kept', '3'],
      ]);
      const head = (await pair.asked()).head!;
      await first.over();
      // As the proxy does it: what arrived goes on, changed.
      head.put(new FieldName('x-changed'), 'otherwise');
      head.remove(new FieldName('x-gone'));
      head.newPath = '/other';
      const again = new Sent(pair.client);
      again.stream.writeHead(head, true);
      const second = await pair.asked();
      assert.equal(second.head!.path, '/other');
      assert.deepEqual(new Map(second.fields), new Map(Object.entries({ 'x-kept': '3', 'x-changed': 'otherwise' })));
      await again.over();
    });

    test('has room again when a stream is over both ways, and says so', async (t) => {
      const pair = await pairOf(t, codec());
      const room = pair.client.capacity;
      let offered = 0;
      pair.client.onAvailable = () => offered++;
      const sent = post(pair.client);
      const asked = await pair.asked();
      assert.deepEqual([pair.client.capacity, pair.client.activeStreams], [room - 1, 1]);
      answerWith(asked.stream, 'early');
      await sent.over();
      assert.deepEqual([pair.client.activeStreams, offered], [1, 0]);
      sent.stream.writeData(Buffer.from('late'), true);
      await turn();
      assert.deepEqual([pair.client.capacity, pair.client.activeStreams, offered], [room, 0, 1]);
      // And the next one finds everything as the first did.
      const next = ask(pair.client, '/next');
      answerWith((await pair.asked()).stream, 'next');
      await next.over();
      assert.equal(next.body, 'next');
    });

    test('knows how far a request came: sent, answered, and whether its connection was used before', async (t) => {
      const pair = await pairOf(t, codec(), ({ stream }) => answerWith(stream));
      const facts = ({ stream }: Sent): boolean[] => [stream.reused, stream.sent, stream.answered];
      const first = new Sent(pair.client);
      assert.deepEqual(facts(first), [false, false, false]);
      first.stream.writeHead(Head.request('GET', 'a', '/'), true);
      await first.over();
      assert.deepEqual(facts(first), [false, true, true]);
      assert.equal(new Sent(pair.client).stream.reused, true);
    });

    test('says that a peer is slow, goes on when it takes more, and loses and turns round nothing', async (t) => {
      const pair = await pairOf(t, codec());
      const sent = post(pair.client);
      const asked = await pair.asked();
      await overfill(sent, asked);
      const answer = Head.response(200);
      answer.contentLength = -1;
      asked.stream.writeHead(answer, false);
      await overfill(asked, sent);
    });

    test('brings nothing of a body while its reading is paused, however often that is said', async (t) => {
      const pair = await pairOf(t, codec(), (asked) => asked.stream.pauseReading());
      const sent = post(pair.client);
      sent.stream.writeData(Buffer.from('a piece'), false);
      const asked = await pair.asked();
      asked.stream.pauseReading();
      for (let i = 0; i < 20; i++) await turn();
      assert.deepEqual(asked.told, ['head']);
      sent.stream.writeData(Buffer.from(', and more'), true);
      asked.stream.resumeReading();
      assert.deepEqual(asked.told, ['head']);
      asked.stream.resumeReading();
      assert.equal(await asked.over(), 'head, data, end');
      assert.equal(asked.body, 'a piece, and more');
    });

    test('pauses in the middle of what has arrived', async (t) => {
      let pieces = 0;
      const pair = await pairOf(t, codec(), (asked) => {
        asked.onPiece = () => {
          pieces++;
          asked.stream.pauseReading();
        };
      });
      const sent = post(pair.client);
      enter();
      for (const piece of ['one', 'two', 'three']) sent.stream.writeData(Buffer.from(piece), piece === 'three');
      leave();
      const asked = await pair.asked();
      for (let seen = 1; asked.body !== 'onetwothree'; seen++) {
        await asked.until(() => pieces === seen);
        await turn();
        assert.equal(pieces, seen);
        asked.stream.resumeReading();
      }
      assert.equal(await asked.over(), 'head, data, end');
    });

    test('lends bytes for the time of a call, and borrows for no longer', async (t) => {
      const pair = await pairOf(t, codec());
      const sent = post(pair.client);
      const kept: Buffer[] = [];
      const asked = await pair.asked();
      asked.onPiece = (chunk) => {
        retainBytes();
        kept.push(chunk);
      };
      const whole = Buffer.alloc(8 * PIECE, 'abcdefghijklmnopqrstuvwxyz');
      for (let i = 0; i < 8; i++) lend(sent.stream, Buffer.from(whole.subarray(i * PIECE, (i + 1) * PIECE)), i === 7);
      await asked.over();
      assert.ok(Buffer.concat(kept).equals(whole));
    });

    test('tells the server when a client gives up a request, once, and the client nothing more', async (t) => {
      const pair = await pairOf(t, codec());
      const sent = post(pair.client);
      sent.stream.writeData(Buffer.from('begun'), false);
      const asked = await pair.asked();
      await asked.until(({ body }) => body === 'begun');
      sent.stream.reset();
      sent.stream.reset();
      assert.equal(sent.stream.writeData(Buffer.from('late'), true), true);
      assert.equal(await asked.over(), 'head, data, reset client_gone');
      asked.stream.reset();
      answerWith(asked.stream, 'to nobody');
      for (let i = 0; i < 5; i++) await turn();
      assert.deepEqual([asked.told.length, sent.told], [3, []]);
    });

    test('tells the client when a server gives up, before its answer or in the middle of it', async (t) => {
      for (const [begun, told] of [
        [false, 'reset BEFORE'],
        [true, 'head, data, reset reset_after_response'],
      ] as const) {
        const pair = await pairOf(t, codec());
        const sent = ask(pair.client, '/');
        const asked = await pair.asked();
        if (begun) {
          const head = Head.response(200);
          head.contentLength = -1;
          asked.stream.writeHead(head, false);
          asked.stream.writeData(Buffer.from('part'), false);
          await sent.until(({ body }) => body === 'part');
        }
        asked.stream.reset();
        // Where a stream can be given up alone, that is what is said of it.
        const is = (await sent.over()).replace(/reset (reset_before_response|remote_reset)$/, 'reset BEFORE');
        assert.equal(is, told);
        assert.deepEqual(asked.told, ['head', 'end']);
      }
    });

    test('tells everybody of a connection that is lost, once, and then that it is closed', async (t) => {
      const pair = await pairOf(t, codec());
      const sent = post(pair.client);
      const asked = await pair.asked();
      const order: string[] = [];
      const closed = (connection: ClientConnection | ServerConnection, told: Told, who: string): Promise<void> =>
        new Promise((resolve) => {
          connection.onClosed = () => {
            order.push(`${who} ${told.told.at(-1)}`);
            resolve();
          };
        });
      const both = Promise.all([closed(pair.client, sent, 'client'), closed(pair.server, asked, 'server')]);
      pair.serverTransport.reset();
      await both;
      await turn();
      assert.deepEqual(order.sort(), ['client reset reset_before_response', 'server reset client_gone']);
      assert.deepEqual([sent.told.length, asked.told.length], [1, 2]);
      assert.deepEqual([pair.client.capacity, pair.client.activeStreams, pair.server.activeStreams], [0, 0, 0]);
      assert.throws(() => pair.client.open(sent));
    });

    test('drains: what is open ends as it would have, nothing new is taken, and the connection closes', async (t) => {
      const pair = await pairOf(t, codec());
      const sent = post(pair.client);
      const asked = await pair.asked();
      const closed = Promise.all([
        new Promise<void>((resolve) => (pair.client.onClosed = resolve)),
        new Promise<void>((resolve) => (pair.server.onClosed = resolve)),
      ]);
      pair.server.drain(20);
      sent.stream.writeData(Buffer.from('the rest'), true);
      assert.equal(await asked.over(), 'head, data, end');
      answerWith(asked.stream, 'and its answer');
      await sent.over();
      assert.equal(sent.body, 'and its answer');
      await closed;
      assert.equal(pair.client.capacity, 0);
    });

    test('drains a connection that has nothing open by closing it', async (t) => {
      const pair = await pairOf(t, codec(), ({ stream }) => answerWith(stream));
      await ask(pair.client, '/').over();
      const closed = new Promise<void>((resolve) => (pair.client.onClosed = resolve));
      pair.server.drain(20);
      await closed;
    });

    test('has one connection behind all of its streams, whose facts and peer outlast it', async (t) => {
      const pair = await pairOf(t, codec(), ({ stream }) => answerWith(stream));
      const first = ask(pair.client, '/');
      const { connection } = (await pair.asked()).stream;
      await first.over();
      const second = ask(pair.client, '/');
      assert.equal((await pair.asked()).stream.connection, connection);
      await second.over();
      const { remotePort, localPort } = pair.clientTransport;
      assert.equal(first.stream.connection, second.stream.connection);
      const closed = new Promise<void>((resolve) => (pair.server.onClosed = resolve));
      pair.client.destroy();
      await closed;
      assert.deepEqual([connection.localPort, connection.remotePort], [remotePort, localPort]);
      assert.deepEqual([connection.peer.workload, connection.peer.principal], [null, '']);
    });
  });
}

/** As a piece of another message comes: its memory is written over when this returns. */
function lend(stream: Stream, piece: Buffer, end: boolean): void {
  passBorrowed(
    {
      receive(lent) {
        enter();
        stream.writeData(lent, end);
        leave();
      },
    },
    piece,
  );
}

/** Writes to a reader that takes nothing until there is no room for more; then the reader takes it all. */
async function overfill(writer: Told & { stream: Stream }, reader: Told & { stream: Stream }): Promise<void> {
  reader.stream.pauseReading();
  const told = writer.writable;
  const pieces = await fill(writer);
  assert.ok(reader.body.length < pieces * PIECE);
  const before = writer.writable;
  reader.stream.resumeReading();
  await writer.until(({ writable }) => writable > before);
  writer.stream.writeData(Buffer.alloc(0), true);
  await reader.over();
  assert.ok(writer.writable > told);
  assert.equal(reader.body.length, pieces * PIECE);
  for (let i = 0; i < pieces; i++) {
    assert.ok(reader.body.startsWith(pieceAt(i).latin1Slice(), i * PIECE), `piece ${i} is as it was`);
  }
}
