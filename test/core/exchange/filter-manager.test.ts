import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilterFactory, LocalReply, Verdict } from '../../../core/exchange/filter.ts';
import { Head } from '../../../core/http/head.ts';
import { passBorrowed } from '../../../core/transport/read-buffer.ts';
import { calls, filter, streams, through } from './filter-rig.ts';

test('a request passes the filters in order and its response comes back in reverse', () => {
  const { manager, out, stop, outside } = through(filter('a'), filter('b'));
  manager.head('request', false);
  manager.body('request', Buffer.from('x'), true);
  outside.respond(Head.response(200), false);
  manager.body('response', Buffer.from('y'), true);
  manager.end();
  assert.deepEqual(calls, [
    'a.requestHead',
    'b.requestHead',
    'a.requestBody(x)',
    'b.requestBody(x)',
    'b.responseHead',
    'a.responseHead',
    'b.responseBody(y)',
    'a.responseBody(y)',
    'b.done',
    'a.done',
  ]);
  assert.deepEqual(out, ['forward head', 'forward x end', 'send 200', 'send y end']);
  stop();
});

test('what a filter holds of a body that was lent stays as it was', () => {
  const { manager, out, stop } = through(filter('a'), filter('b', { requestBody: () => 'pause' }));
  manager.head('request', false);
  passBorrowed({ receive: (piece) => manager.body('request', piece, false) }, Buffer.from('x'));
  passBorrowed({ receive: (piece) => manager.body('request', piece, true) }, Buffer.from('y'));
  streams.get('b')!.resume('request');
  assert.deepEqual(out, ['forward head', 'forward xy end']);
  stop();
});

test('a head that is paused holds the body before the filter that paused it', () => {
  const { manager, out, stop } = through(filter('a'), filter('b', { requestHead: () => 'pause' }), filter('c'));
  manager.head('request', false);
  manager.body('request', Buffer.from('x'), false);
  manager.body('request', Buffer.from('y'), true);
  assert.deepEqual(out, []);
  assert.deepEqual(calls, ['a.requestHead', 'b.requestHead', 'a.requestBody(x)', 'a.requestBody(y)']);
  streams.get('b')!.resume('request');
  assert.deepEqual(calls.slice(4), ['c.requestHead', 'b.requestBody(xy)', 'c.requestBody(xy)']);
  assert.deepEqual(out, ['forward head', 'forward xy end']);
  stop();
});

test('a filter that pauses on the body sees all of it so far each time', () => {
  let seen = 0;
  const { manager, out, stop } = through(filter('a', { requestBody: () => (++seen < 3 ? 'pause' : 'continue') }));
  manager.head('request', false);
  for (const part of ['x', 'y', 'z']) manager.body('request', Buffer.from(part), part === 'z');
  assert.deepEqual(calls.slice(1), ['a.requestBody(x)', 'a.requestBody(xy)', 'a.requestBody(xyz)']);
  assert.deepEqual(out, ['forward head', 'forward xyz end']);
  stop();
});

test('after a held body was let go the next chunk comes alone', () => {
  let seen = 0;
  const { manager, out, stop, outside } = through(
    filter('a', { responseBody: () => (++seen === 1 ? 'pause' : 'continue') }),
  );
  manager.head('request', true);
  outside.respond(Head.response(200), false);
  for (const part of ['x', 'y', 'z']) manager.body('response', Buffer.from(part), part === 'z');
  assert.deepEqual(calls.slice(2), ['a.responseBody(x)', 'a.responseBody(xy)', 'a.responseBody(z)']);
  assert.deepEqual(out, ['forward head end', 'send 200', 'send xy', 'send z end']);
  stop();
});

test('what a filter splices into a body is what goes on', () => {
  const { manager, out, stop } = through(
    filter('a', {
      requestBody: (_stream, body) => {
        body.splice(1, 2, Buffer.from('---'));
        return 'continue';
      },
    }),
  );
  manager.head('request', false);
  manager.body('request', Buffer.from('abcd'), true);
  assert.deepEqual(out, ['forward head', 'forward a---d end']);
  stop();
});

test('a local reply is seen by the filters entered so far, and later ones never see the request', () => {
  const reply: LocalReply = { status: 403, details: 'no', body: 'denied', fields: [], grpcStatus: -1 };
  const { manager, out, stop } = through(
    filter('a'),
    filter('b', {
      requestHead: (stream) => {
        stream.localReply(reply);
        return 'continue';
      },
    }),
    filter('c'),
  );
  manager.head('request', false);
  assert.deepEqual(calls, [
    'a.requestHead',
    'b.requestHead',
    'b.responseHead',
    'a.responseHead',
    'b.responseBody(denied)',
    'a.responseBody(denied)',
  ]);
  assert.deepEqual(out, ['send 403', 'send denied end']);
  stop();
});

test('a reply in place of a response is seen only by the filters that the response has not passed', () => {
  const reply: LocalReply = { status: 502, details: 'no', body: 'bad', fields: [], grpcStatus: -1 };
  const { manager, out, stop, outside } = through(
    filter('a'),
    filter('b', {
      responseHead: (stream) => {
        stream.localReply(reply);
        return 'continue';
      },
    }),
  );
  manager.head('request', true);
  outside.respond(Head.response(200), false);
  assert.deepEqual(calls.slice(2), ['b.responseHead', 'a.responseHead', 'a.responseBody(bad)']);
  assert.deepEqual(out.slice(1), ['send 502', 'send bad end']);
  stop();
});

test('a delayed request goes on when its time has come', () => {
  const { manager, out, at, stop } = through(
    filter('fault', {
      requestHead: (stream) => {
        stream.resumeAfter(100);
        return 'pause';
      },
    }),
  );
  manager.head('request', true);
  at(90);
  assert.deepEqual(out, []);
  at(140);
  assert.deepEqual(out, ['forward head end']);
  stop();
});

test('a resume within the callback that pauses is a continue', () => {
  const { manager, out, stop } = through(
    filter('a', {
      requestHead: (stream) => {
        stream.resume('request');
        return 'pause';
      },
    }),
  );
  manager.head('request', true);
  assert.deepEqual(out, ['forward head end']);
  stop();
});

test('a held body over the limit is refused', () => {
  const { manager, out, stop } = through(filter('a', { requestHead: () => 'pause' }));
  manager.head('request', false);
  manager.body('request', Buffer.alloc(1 << 20), false);
  manager.body('request', Buffer.alloc(1), false);
  assert.deepEqual(out, ['fail payload_too_large']);
  stop();
});

test('a filter that closes its stream cuts the exchange off, and hears of the end once', () => {
  const { manager, out, stop } = through(
    filter('a', {
      requestHead: (stream) => {
        stream.close('request');
        return 'continue';
      },
    }),
  );
  manager.head('request', true);
  manager.end();
  assert.deepEqual(out, ['cut']);
  assert.deepEqual(calls, ['a.requestHead', 'a.done']);
  stop();
});

test('a request stays paused when the next filter pauses as well', () => {
  const pausing = { requestHead: (): Verdict => 'pause' };
  const { manager, outside, stop } = through(filter('a', pausing), filter('b', pausing));
  manager.head('request', false);
  streams.get('a')!.resume('request');
  assert.equal(outside.requestPaused, true);
  streams.get('b')!.resume('request');
  assert.equal(outside.requestPaused, false);
  stop();
});

test('a resume of one direction within a callback of the other takes effect, and lets only that one go on', () => {
  const { manager, out, stop, outside } = through(
    filter('a', {
      requestBody: () => 'pause',
      responseHead: (stream) => {
        stream.resume('request');
        return 'pause';
      },
    }),
  );
  manager.head('request', false);
  manager.body('request', Buffer.from('x'), true);
  outside.respond(Head.response(200), true);
  assert.deepEqual(out, ['forward head', 'forward x end']);
  stop();
});

test('a client that waits is told to go on where a filter wants its body, and not where one answers', () => {
  const waiting = (...filters: FilterFactory[]): string[] => {
    const { outside, manager, stop } = through(...filters);
    stop();
    outside.requestHead.expectContinue = true;
    manager.head('request', false);
    return outside.out;
  };
  const blind: FilterFactory = {
    ...filter('blind'),
    wants: { request: { head: true, body: false }, response: { head: true, body: false } },
  };
  const holding = filter('holding', { requestHead: () => 'pause' });
  const answering = filter('answering', {
    requestHead: (stream) => {
      stream.localReply({ status: 403, details: '', body: 'no', fields: [], grpcStatus: -1 });
      return 'pause';
    },
  });
  assert.deepEqual(waiting(blind), ['forward head']);
  assert.deepEqual(waiting(blind, filter('reading')), ['interim 100', 'forward head']);
  assert.deepEqual(waiting(holding), ['interim 100']);
  assert.deepEqual(waiting(filter('reading'), answering), ['send 403', 'send no end']);
});
