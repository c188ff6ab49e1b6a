import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Head } from '../../../core/http/head.ts';
import { calls, filter, streams, through } from './filter-rig.ts';

test('trailers come to a filter that holds the body, and the body goes on when it lets them pass', () => {
  const { manager, out, stop } = through(filter('a', { requestBody: () => 'pause' }), filter('b'));
  manager.head('request', false);
  manager.body('request', Buffer.from('x'), false);
  manager.trailers('request', Head.response(0));
  assert.deepEqual(calls, [
    'a.requestHead',
    'b.requestHead',
    'a.requestBody(x)',
    'a.requestTrailers',
    'b.requestBody(x)',
    'b.requestTrailers',
  ]);
  assert.deepEqual(out, ['forward head', 'forward x', 'forward trailers']);
  stop();
});

test('a body that is held when trailers come can be read and changed with them', () => {
  const { manager, out, stop, outside } = through(
    filter('a', {
      responseBody: () => 'pause',
      responseTrailers: (stream) => {
        stream.body('response')!.splice(0, 1, Buffer.from('yy'));
        return 'continue';
      },
    }),
  );
  manager.head('request', true);
  outside.respond(Head.response(200), false);
  manager.body('response', Buffer.from('x'), false);
  manager.trailers('response', Head.response(0));
  assert.deepEqual(out.slice(-2), ['send yy', 'send trailers']);
  stop();
});

test('trailers that are held, too, follow the body when the filter goes on', () => {
  const { manager, out, stop } = through(filter('a', { requestBody: () => 'pause', requestTrailers: () => 'pause' }));
  manager.head('request', false);
  manager.body('request', Buffer.from('x'), false);
  manager.trailers('request', Head.response(0));
  assert.deepEqual(out, ['forward head']);
  streams.get('a')!.resume('request');
  assert.deepEqual(out, ['forward head', 'forward x', 'forward trailers']);
  assert.equal(calls.filter((call) => call === 'a.requestTrailers').length, 1);
  stop();
});

test('trailers wait at a filter that holds the head', () => {
  const { manager, out, stop } = through(filter('a', { requestHead: () => 'pause' }));
  manager.head('request', false);
  manager.body('request', Buffer.from('x'), false);
  manager.trailers('request', Head.response(0));
  assert.deepEqual(calls, ['a.requestHead']);
  streams.get('a')!.resume('request');
  assert.deepEqual(out, ['forward head', 'forward x', 'forward trailers']);
  stop();
});

test('nothing follows a held body that a later filter answers', () => {
  const { manager, out, stop } = through(
    filter('a', { requestBody: () => 'pause' }),
    filter('b', {
      requestBody: (stream) => {
        stream.localReply({ status: 403, body: '', fields: [], details: 'no', grpcStatus: -1 });
        return 'pause';
      },
    }),
  );
  manager.head('request', false);
  manager.body('request', Buffer.from('x'), false);
  manager.trailers('request', Head.response(0));
  assert.ok(!calls.includes('b.requestTrailers'));
  assert.ok(!out.includes('forward trailers'));
  stop();
});

test('trailers that waited with the body at a held head come behind it, also where the body is held then', () => {
  const { manager, out, stop } = through(filter('a', { requestHead: () => 'pause', requestBody: () => 'pause' }));
  manager.head('request', false);
  manager.body('request', Buffer.from('x'), false);
  manager.trailers('request', Head.response(0));
  streams.get('a')!.resume('request');
  assert.deepEqual(calls, ['a.requestHead', 'a.requestBody(x)', 'a.requestTrailers']);
  assert.deepEqual(out, ['forward head', 'forward x', 'forward trailers']);
  stop();
});
