// What a codec owes beyond codec.ts when its connections carry several streams at a time.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Codec } from '../../core/http/codec.ts';
import { answerWith, ask, fill, PIECE, pairOf, post } from './codec-rig.ts';

export function codecStreamsContract(name: string, codec: () => Codec): void {
  suite(`${name}, with several streams on one connection,`, () => {
    test('carries their bodies between each other, each whole and in order', async (t) => {
      const pair = await pairOf(t, codec());
      const sent = [post(pair.client), post(pair.client), post(pair.client)];
      const asked = [await pair.asked(), await pair.asked(), await pair.asked()];
      assert.equal(new Set([...sent, ...asked].map(({ stream }) => stream.connection)).size, 2);
      for (let i = 0; i < 9; i++) sent[i % 3].stream.writeData(Buffer.from(`${i} `), i >= 6);
      for (let i = 0; i < 3; i++) {
        await asked[i].over();
        assert.equal(asked[i].body, `${i} ${i + 3} ${i + 6} `);
      }
      // Answers leave in any order.
      for (let i = 2; i >= 0; i--) {
        answerWith(asked[i].stream, `for ${i}`);
        await sent[i].over();
        assert.equal(sent[i].body, `for ${i}`);
      }
    });

    test('counts them: each takes one of the places, and gives it back', async (t) => {
      const pair = await pairOf(t, codec());
      const room = pair.client.capacity;
      assert.ok(room > 1);
      const sent = [ask(pair.client, '/0'), ask(pair.client, '/1')];
      assert.deepEqual([pair.client.capacity, pair.client.activeStreams], [room - 2, 2]);
      const first = await pair.asked();
      await pair.asked();
      assert.equal(pair.server.activeStreams, 2);
      answerWith(first.stream);
      await sent[0].over();
      await turn();
      assert.deepEqual([pair.client.capacity, pair.server.activeStreams], [room - 1, 1]);
    });

    test('holds one back whose reader takes nothing, and no other', async (t) => {
      const pair = await pairOf(t, codec());
      const slow = post(pair.client);
      const slowAsked = await pair.asked();
      slowAsked.stream.pauseReading();
      const pieces = await fill(slow);
      for (const body of ['a', 'b'.repeat(4 * PIECE)]) {
        const quick = ask(pair.client, '/quick');
        answerWith((await pair.asked()).stream, body);
        await quick.over();
        assert.ok(quick.body === body);
      }
      assert.equal(slowAsked.body, '');
      slowAsked.stream.resumeReading();
      slow.stream.writeData(Buffer.alloc(0), true);
      await slowAsked.over();
      assert.equal(slowAsked.body.length, pieces * PIECE);
    });

    test('leaves the others alone when one is given up, at either end', async (t) => {
      const pair = await pairOf(t, codec());
      const sent = [post(pair.client), post(pair.client), post(pair.client)];
      const asked = [await pair.asked(), await pair.asked(), await pair.asked()];
      sent[0].stream.reset();
      asked[1].stream.reset();
      assert.equal(await asked[0].over(), 'head, reset client_gone');
      assert.match(await sent[1].over(), /^reset (reset_before_response|remote_reset)$/);
      sent[2].stream.writeData(Buffer.from('on'), true);
      await asked[2].over();
      answerWith(asked[2].stream, asked[2].body);
      assert.equal(await sent[2].over(), 'head, data, end');
      assert.deepEqual([pair.client.activeStreams, pair.server.activeStreams], [0, 0]);
    });

    test('tells all of them when the connection is lost', async (t) => {
      const pair = await pairOf(t, codec());
      const sent = [post(pair.client), post(pair.client), post(pair.client)];
      const asked = [await pair.asked(), await pair.asked(), await pair.asked()];
      answerWith(asked[0].stream, 'whole');
      await sent[0].over();
      pair.clientTransport.reset();
      for (const one of asked.slice(1)) assert.equal(await one.over(), 'head, reset client_gone');
      for (const one of sent.slice(1)) assert.equal(await one.over(), 'reset reset_before_response');
      assert.deepEqual([sent[0].told, asked[0].told], [['head', 'data', 'end'], ['head']]);
    });

    test('says that it drains while streams are open, which end as they would have', async (t) => {
      const pair = await pairOf(t, codec());
      const sent = [post(pair.client), post(pair.client)];
      const asked = [await pair.asked(), await pair.asked()];
      let draining = 0;
      const told = new Promise<void>((resolve) => {
        pair.client.onDraining = () => {
          draining++;
          resolve();
        };
      });
      const closed = new Promise<void>((resolve) => (pair.client.onClosed = resolve));
      pair.server.drain(20);
      pair.server.drain(20);
      await told;
      assert.deepEqual([pair.client.capacity, pair.client.activeStreams], [0, 2]);
      for (let i = 0; i < 2; i++) {
        sent[i].stream.writeData(Buffer.from('rest'), true);
        await asked[i].over();
        answerWith(asked[i].stream, 'done');
        await sent[i].over();
        assert.equal(sent[i].body, 'done');
      }
      await closed;
      assert.deepEqual([draining, pair.client.capacity], [1, 0]);
    });
  });
}
