import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Head } from '../../../core/http/head.ts';
import { fixtureFilter } from '../../filters/fixture.ts';
import { asking, CHECK } from '../wasm/asking.ts';
import { env, guest } from '../wasm/guests.ts';
import { DELAYED, startRig, Visit } from './rig.ts';

const rig = startRig({ threads: 2 });
after(() => rig.stop());
const filter = rig.plugin();

test('a filter on a thread of its own reads and changes a request and its response as one in the shard does', async () => {
  const visit = new Visit([filter], { 'x-secret': 'a', 'x-do': 'redact' }).begin('call 112', ', now 7');
  assert.equal(await visit.leaves('head'), 'head POST /reviews/0 -1 x-do=redact x-seen=/reviews/0');
  assert.equal(await visit.body(), 'call ###, now #');
  assert.equal(visit.flags & DELAYED, DELAYED);
  visit.answer({}, 'yours for 99');
  assert.match(await visit.leaves('answer 200'), /x-seen=x-seen!/);
  assert.equal(await visit.answerBody(), 'yours for ##');
  visit.end();
});

test('a path that it changes is the path that the filters behind it see', async () => {
  const behind = rig.plugin({ name: 'behind' });
  const visit = new Visit([filter, behind], { 'x-do': 'move' }).begin();
  assert.match(await visit.leaves('head'), /^head POST \/moved .*x-seen=\/moved/);
  visit.end();
});

test('it holds a body until it has all of it, and puts another in its place', async () => {
  const visit = new Visit([filter], { 'x-do': 'hold' }).begin('a', 'b', 'c');
  assert.equal(await visit.body(), '<abc>');
  visit.end();
});

test('what it holds is bounded as for every filter', async () => {
  const visit = new Visit([filter], { 'x-do': 'hold' });
  visit.begin('a', '');
  const chunk = Buffer.alloc(64 << 10, 'x');
  await visit.leaves('head');
  const more = new Visit([filter], { 'x-do': 'hold' });
  more.enter();
  await more.leaves('head');
  for (let i = 0; i < 20 && !more.out.includes('failed payload_too_large'); i++) more.send(chunk);
  await more.leaves('failed payload_too_large');
  visit.end();
});

test('a long body passes in pieces, in order and whole, and the client is read from only as fast as that', async () => {
  const visit = new Visit([filter], { 'x-do': 'redact' });
  visit.enter();
  await visit.leaves('head');
  const pieces: string[] = [];
  let stalls = 0;
  for (let i = 0; i < 200; i++) {
    const piece = String.fromCharCode(97 + (i % 26)).repeat(32 << 10) + (i % 10);
    pieces.push(piece);
    visit.send(piece, i === 199);
    if (!visit.requestPaused) continue;
    stalls++;
    await visit.reads();
  }
  const whole = await visit.body();
  assert.equal(whole, pieces.join('').replaceAll(/\d/g, '#'));
  assert.ok(stalls > 0, 'reading stopped at some time');
  assert.equal(visit.requestPaused, false);
  visit.end();
});

test('trailers pass through it, behind the body', async () => {
  const visit = new Visit([filter], { 'x-do': 'redact' });
  visit.enter();
  visit.send('1');
  visit.trail({ 'x-sum': '9' });
  assert.equal(await visit.leaves('trailers'), 'trailers 0 x-sum=9 x-seen=note');
  assert.deepEqual(
    visit.out.map((line) => line.split(' ')[0]),
    ['head', 'body', 'trailers'],
  );
  visit.end();
});

test('it answers itself, with what it was given for that, and the upstream sees nothing', async () => {
  const visit = new Visit([filter], { 'x-do': 'reply' }).begin('lost');
  assert.equal(await visit.leaves('reply'), 'reply 418 note');
  assert.match(await visit.leaves('answer 418'), /x-seen=/);
  assert.equal(await visit.answerBody(), 'short and stout');
  assert.equal(
    visit.out.some((line) => line.startsWith('head')),
    false,
  );
  visit.end();
});

test('it puts its own answer in the place of the upstream’s', async () => {
  const visit = new Visit([filter]).begin();
  await visit.leaves('head');
  visit.answer({ 'x-do': 'reply' }, 'secret');
  await visit.leaves('replaced by 502');
  assert.deepEqual(
    visit.out.filter((line) => line.includes('secret')),
    [],
  );
  visit.end();
});

test('a request that it pauses goes on when its timer says so', async () => {
  const visit = new Visit([filter], { 'x-do': 'wake', 'x-ms': '30' }).begin('a');
  assert.match(await visit.leaves('head'), /x-do=wake/);
  assert.equal(await visit.body(), 'a');
  assert.equal(Buffer.from(visit.state.get('note')!).toString(), 'x-do');
  visit.end();
});

test('a client that goes away while the filter works leaves nothing behind', async () => {
  for (let i = 0; i < 50; i++) new Visit([filter], { 'x-do': 'redact' }).begin('1', '2').end();
  const visit = new Visit([filter], { 'x-do': 'redact' }).begin('3');
  assert.equal(await visit.body(), '#');
  visit.end();
  assert.equal(rig.isolation.status(filter)?.streams, 0);
});

test('one that only logs, or has nothing to say of a head, is told of every exchange and how it ended', async () => {
  const imports = env('proxy_log', 'i32 i32 i32');
  const logs = `(data (i32.const 64) "that was all")
    (func (export "proxy_on_log") (param i32) (drop (call $proxy_log (i32.const 2) (i32.const 64) (i32.const 12))))`;
  const reads = '(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))';
  const logging = rig.plugin({ name: 'logging', vmId: 'logging' }, guest({ imports, body: logs }));
  const reading = rig.plugin({ name: 'reading', vmId: 'reading' }, guest({ imports, body: logs + reads }));
  const visit = new Visit([logging, reading]).begin();
  await visit.leaves('head');
  visit.end();
  await rig.says('logging: that was all');
  await rig.says('reading: that was all');
});

test('a trap costs the request of its guest 503, and the next ones have another guest', async () => {
  const trapping = rig.plugin({ name: 'trapping', vmId: 'trapping', failStrategy: 'FAIL_RELOAD' });
  const visit = new Visit([trapping], { 'x-do': 'trap' }).begin();
  assert.equal(await visit.leaves('reply'), 'reply 503 filter_failed');
  visit.end();
  const next = new Visit([trapping]).begin();
  await next.leaves('head');
  next.end();
  await rig.says('trapping: trapped in proxy_on_request_headers');
  await rig.says('trapping: started again');
  assert.deepEqual(rig.restarts, ['trapping trap']);
});

test('a configuration that it refuses is one line of the log, and its requests go the way of its strategy', async () => {
  const refused = rig.plugin({ name: 'refused', configuration: Buffer.from('refuse') });
  const visit = new Visit([refused]).begin();
  assert.equal(await visit.leaves('reply'), 'reply 503 filter_failed');
  visit.end();
  await rig.says('error plugin refused: refused its configuration');
  const open = rig.plugin({ name: 'open', configuration: Buffer.from('refuse'), failStrategy: 'FAIL_OPEN' });
  const passes = new Visit([open]).begin();
  await passes.leaves('head');
  passes.end();
});

test('it is let go when its last stream has ended, and comes back for a request that began before', async () => {
  const swapped = rig.plugin({ name: 'swapped', configuration: Buffer.from('1') });
  const visit = new Visit([swapped], { 'x-do': 'redact' });
  visit.enter();
  await visit.leaves('head');
  rig.isolation.retire(swapped);
  visit.send('1', true);
  assert.equal(await visit.body(), '#');
  assert.ok(rig.isolation.names.includes('swapped'));
  visit.end();
  assert.ok(!rig.isolation.names.includes('swapped'));
  const late = new Visit([swapped]).begin();
  await late.leaves('head');
  late.end();
  assert.ok(!rig.isolation.names.includes('swapped'));
});

test('it is known how it fares on the threads', async () => {
  const watched = rig.plugin({ name: 'watched', vmId: 'watched' });
  const visit = new Visit([watched]).begin();
  await visit.leaves('head');
  const deadline = performance.now() + 30_000;
  while (rig.isolation.status(watched)?.memoryBytes === 0 && performance.now() < deadline) {
    await delay(20);
  }
  const status = rig.isolation.status(watched);
  assert.ok(status !== null && status.memoryBytes >= 1 << 16, JSON.stringify(status));
  assert.deepEqual([status.running, status.broken, status.streams, status.restarts], [true, false, 1, 0]);
  visit.end();
});

test('it calls a service through the shard, which knows whom it may call', async () => {
  const asked: string[] = [];
  const calling = startRig({
    upstreams: {
      find: (name) =>
        name === 'nowhere'
          ? null
          : {
              service: 'authz.default.svc.cluster.local',
              call({ head, body }, done) {
                asked.push(`${head.method} ${head.path} ${Buffer.from(body)}`);
                const answer = { head: Head.response(200), body: Buffer.from('welcome'), trailers: null };
                setImmediate(() => done(answer));
                return () => undefined;
              },
            },
    },
  });
  const question = { upstream: 'authz', headers: CHECK, body: 'may i?' };
  const may = calling.plugin({ name: 'default/a', mayCall: ['authz'] }, asking(question));
  const visit = new Visit([may]).begin();
  assert.match(await visit.leaves('head'), /x-verdict=welcome/);
  visit.end();
  const mayNot = calling.plugin({ name: 'default/b', mayCall: ['other'] }, asking(question));
  const refused = new Visit([mayNot]).begin();
  assert.match(await refused.leaves('reply'), /^reply 504/);
  refused.end();
  await calling.says('default/b: proxy_http_call: "authz" is not among the upstreams of the plugin');
  const unknown = calling.plugin({ name: 'default/c' }, asking({ ...question, upstream: 'nowhere' }));
  const lost = new Visit([unknown]).begin();
  assert.match(await lost.leaves('reply'), /^reply 504/);
  lost.end();
  assert.deepEqual(asked, ['POST /check may i?']);
  await calling.stop();
});

test('what a filter on a thread calls over gRPC is sent by the shard over HTTP/2, and streams are not opened from there', async () => {
  const calling = startRig({
    upstreams: {
      find: (service) => ({
        service,
        call({ head, body, http2 }, done) {
          assert.ok(http2);
          const message = Buffer.from(`${head.path} ${Buffer.from(body.subarray(5))}`);
          const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
          const trailers = Head.response(0, [['grpc-status', '0']]);
          setImmediate(() => done({ head: Head.response(200), body: framed, trailers }));
          return () => undefined;
        },
      }),
    },
  });
  const changes = { name: 'default/grpc', configuration: Buffer.from('watch') };
  const filter = calling.plugin(changes, await fixtureFilter('fixtures/asks-grpc.ts'));
  const visit = new Visit([filter]).begin();
  assert.match(await visit.leaves('head'), /x-verdict=\/test.Limiter\/Check \/reviews\/0/);
  visit.end();
  await calling.says('proxy_grpc_stream: only plugins in shards open streams');
  await calling.stop();
});
