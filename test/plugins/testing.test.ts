import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { readFixture } from '../../plugins/testing/fixture.ts';
import type { Problem } from '../../plugins/testing/placed.ts';
import { type Loaded, loadModule, runTest, type TestResult } from '../../plugins/testing/run.ts';
import { asking } from '../core/wasm/asking.ts';
import { env, guest } from '../core/wasm/guests.ts';
import { busy, CONFIGURE, denying, filter, REQUEST_HEADERS } from './wat.ts';

function loaded(bytes: Uint8Array, changes: Partial<Loaded> = {}): Loaded {
  const module = loadModule(bytes, {
    name: 'test',
    rootId: '',
    defaultConfiguration: undefined,
    mayCall: null,
    wrongConfiguration: () => null,
  });
  assert.ok(typeof module !== 'string', String(module));
  return { ...module, ...changes };
}

/** Runs the fixture's tests, which have to be without fault. */
async function run(bytes: Uint8Array, text: string, changes: Partial<Loaded> = {}): Promise<TestResult[]> {
  const problems: Problem[] = [];
  const tests = readFixture('a.yaml', text, problems);
  assert.deepEqual(problems, []);
  const results: TestResult[] = [];
  for (const one of tests) results.push(await runTest(loaded(bytes, changes), one));
  return results;
}

/** What failed, as 'LINE what: expected -> actual'. */
function failures(results: readonly TestResult[]): string[] {
  return results.flatMap(({ failures: own }) =>
    own.map(({ place, step, what, expected, actual }) => `${place.line} ${step}${what}: ${expected} -> ${actual}`),
  );
}

function problemsOf(text: string): string[] {
  const problems: Problem[] = [];
  readFixture('a.yaml', text, problems);
  return problems.map(({ file, line, column, message }) => `${file}:${line}:${column} ${message}`);
}

/** Counts its requests in a metric, and ticks in another. */
const counting = (): Uint8Array =>
  filter(
    `${CONFIGURE}
      (drop (call $proxy_define_metric (i32.const 0) (TEXT requests) (i32.const 64)))
      (drop (call $proxy_define_metric (i32.const 0) (TEXT ticks) (i32.const 68)))
      (drop (call $proxy_set_tick_period_milliseconds (i32.const 60000)))
      (i32.const 1))
    ${REQUEST_HEADERS} (drop (call $proxy_increment_metric (i32.load (i32.const 64)) (i64.const 1))) (i32.const 0))
    (func (export "proxy_on_tick") (param i32)
      (drop (call $proxy_increment_metric (i32.load (i32.const 68)) (i64.const 1))))`,
    {
      texts: { requests: 'requests', ticks: 'ticks' },
      imports: [
        ['proxy_define_metric', 'i32 i32 i32 i32'],
        ['proxy_increment_metric', 'i32 i64'],
        ['proxy_set_tick_period_milliseconds', 'i32'],
      ],
    },
  );

suite('a fixture', () => {
  test('holds for what a filter does to an exchange', async () => {
    const results = await run(
      busy(),
      `
name: everything about a request
request: { method: PUT, path: /a, authority: shop, headers: { X-One: [a, b], x-umlaut: grün }, body: hello }
response: { status: 404, headers: { x-busy: no }, body: gone }
properties: { source.address: 10.1.2.3:4 }
expect:
  request:
    sent: true
    method: PUT
    path: /a
    authority: shop
    headers: { x-one: [a, b], x-umlaut: grün, x-busy: { matches: '^y.s$' }, x-none: { absent: true } }
    body: hello
  response: { status: 404, headers: { x-busy: yes }, body: { contains: on } }
  local: false
  held: false
  logs: [{ info: grüß dich }, { warn: { contains: 10.1 } }]
  metrics: { busy_total: 3 }
  calls: [{ proxy_log: [2, grüß dich] }, proxy_define_metric]
  actions: [{ proxy_on_request_headers: continue }, { proxy_on_response_headers: continue }]
  properties: [source.address]
`,
    );
    assert.deepEqual(failures(results), []);
    assert.equal(results[0].callbacks.get('proxy_on_request_headers'), 1);
  });

  test('says what is different, each with the line that expects it', async () => {
    const results = await run(
      busy(),
      `
name: wrong in every way
request: { path: /a }
response: { body: hello }
expect:
  local: true
  held: true
  trap: { contains: unreachable }
  request:
    headers:
      x-busy: { absent: true }
    path: { matches: ^/b }
  response:
    status: 500
    body: bye
  logs: []
  metrics:
    busy_total: 4
    other: 1
  calls: [proxy_http_call]
  actions:
    - proxy_on_request_headers: pause
  properties: [a.b]
`,
    );
    assert.deepEqual(
      failures(results).map((line) => line.replaceAll('\n', '|').replace(/(-> proxy_log).*/, '$1')),
      [
        '6 answered by the filter itself: true -> false',
        '7 held by the filter at the end: true -> false',
        '8 trap: contains "unreachable" -> absent',
        '11 request header x-busy: absent -> "yes"',
        '12 request path: matches /^/b/ -> "/a"',
        '14 response status: "500" -> "200"',
        '15 response body: "bye" -> "hello"',
        '16 logs: none -> info: "grüß dich"|warn: "127.0.0.1:50000"',
        '18 metric busy_total: "4" -> "3"',
        '19 metric other: "1" -> absent',
        '20 host calls: proxy_http_call -> proxy_log',
        '21 actions: proxy_on_request_headers: pause -> proxy_on_request_headers: continue|proxy_on_response_headers: continue',
        '23 properties asked for: a.b -> source.address',
      ],
    );
  });

  test('has steps on one instance, requests and ticks, and a fresh instance for each test', async () => {
    const results = await run(
      counting(),
      `
name: state is seen
steps:
  - { request: { path: /1 }, expect: { metrics: { requests: 1, ticks: 0 } } }
  - { tick: true, expect: { metrics: { ticks: 1 } } }
  - { request: { path: /2 }, expect: { metrics: { requests: 2 } } }
  - { tick: 3, expect: { metrics: { ticks: 4 }, logs: [], calls: [proxy_increment_metric] } }
---
name: nothing of it is left
request: { path: /1 }
expect: { metrics: { requests: 1, ticks: 0 } }
---
name: what it does when it starts
started: { calls: [{ proxy_set_tick_period_milliseconds: [60000] }], metrics: { requests: 0 } }
`,
    );
    assert.deepEqual(failures(results), []);
    const idle = await run(busy(), 'name: no timer\ntick: true\nexpect: {}');
    assert.deepEqual(failures(idle), ['1 tick: a timer -> the filter has set none']);
  });

  test('says what a service answers that the filter calls, or that it fails', async () => {
    const results = await run(
      asking({ upstream: 'authz' }),
      `
name: it is asked
steps:
  - name: welcome
    request: { path: / }
    answers: { authz: { status: 200, body: welcome } }
    expect: { calls: [{ proxy_http_call: [authz] }], actions: [{ proxy_on_request_headers: pause }] }
  - name: nobody there
    request: { path: / }
    answers: { authz: { failure: no healthy host } }
    expect: { calls: [proxy_http_call] }
`,
    );
    assert.deepEqual(failures(results), []);
    assert.equal(results[0].callbacks.get('proxy_on_http_call_response'), 2);
  });

  test('expects a refusal, and that a module is not refused', async () => {
    const refusing = filter(
      `${CONFIGURE} (drop (call $proxy_log (i32.const 4) (TEXT why))) (i32.eqz (local.get $size)))`,
      { texts: { why: 'no header is named' }, imports: [['proxy_log', 'i32 i32 i32']] },
    );
    const fixture = (refused: string): string => `name: a\nconfig: { a: 1 }\nrefused: ${refused}`;
    assert.deepEqual(failures(await run(refusing, fixture('no header is named'))), []);
    assert.deepEqual(failures(await run(refusing, fixture('{ contains: colour }'))), [
      '3 refusal: contains "colour" -> "no header is named"',
    ]);
    assert.deepEqual(failures(await run(busy(), fixture('{ contains: colour }'))), [
      '3 refusal: contains "colour" -> accepted',
    ]);
    const plain = await run(refusing, 'name: a\nconfig: x\nrequest: { path: / }\nexpect: {}');
    assert.deepEqual(failures(plain), ['1 start: accepted -> refused its configuration: no header is named']);
    const preset = await run(refusing, 'name: a\nrefused: no header is named', { defaultConfiguration: { b: 1 } });
    assert.deepEqual(failures(preset), []);
  });

  test('fails for a configuration that the schema refuses', async () => {
    const results = await run(busy(), 'name: a\nconfig: { b: 1 }\nrequest: {}\nexpect: {}', {
      wrongConfiguration: (value) => `${JSON.stringify(value)} has no field a`,
    });
    assert.deepEqual(failures(results), ['2 configuration: as its schema says -> {"b":1} has no field a']);
  });

  test('knows local replies, held requests and traps', async () => {
    const local = 'name: a\nrequest: {}\nexpect: { local: true, request: { sent: false }, response: { status: 403 } }';
    assert.deepEqual(failures(await run(denying(), local)), []);
    const holding = filter(`${REQUEST_HEADERS} (i32.const 1))`);
    assert.deepEqual(failures(await run(holding, 'name: a\nrequest: {}\nexpect: { held: true }')), []);
    const trapping = filter(`${REQUEST_HEADERS} (unreachable))`);
    const trap = 'name: a\nrequest: {}\nexpect: { trap: { contains: unreachable }, response: { status: 503 } }';
    assert.deepEqual(failures(await run(trapping, trap)), []);
    assert.match(failures(await run(trapping, 'name: a\nrequest: {}\nexpect: {}'))[0], /^1 trap: none -> proxy_on_req/);
  });

  test('sends bytes through a connection', async () => {
    const network = filter('(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 0))');
    const text =
      'name: a\nconnection: { client: ping, upstream: pong }\nexpect: { connection: { upstream: ping, client: pong } }';
    assert.deepEqual(failures(await run(network, text)), []);
  });

  test('sets the clock that the filter reads', async () => {
    const clock = guest({
      imports: [
        env('proxy_get_current_time_nanoseconds', 'i32'),
        env('proxy_define_metric', 'i32 i32 i32 i32'),
        env('proxy_record_metric', 'i32 i64'),
      ].join('\n'),
      body: `(data (i32.const 1024) "now")
      ${REQUEST_HEADERS}
        (drop (call $proxy_define_metric (i32.const 1) (i32.const 1024) (i32.const 3) (i32.const 64)))
        (drop (call $proxy_get_current_time_nanoseconds (i32.const 72)))
        (drop (call $proxy_record_metric (i32.load (i32.const 64)) (i64.div_u (i64.load (i32.const 72)) (i64.const 1000000000))))
        (i32.const 0))`,
    });
    const text = 'name: a\ntime: 2026-01-01T00:00:00Z\nrequest: {}\nexpect: { metrics: { now: 1767225600 } }';
    assert.deepEqual(failures(await run(clock, text)), []);
  });
});

suite('a wrong fixture', () => {
  test('is told with file, line and column, every problem of it', () => {
    const text = `name: a
reqest: { path: / }
request:
  path: a b
  headers: { host: b, content-length: 3, 'a b': c }
response: { status: 99 }
properties: { source.port: http }
answers: { authz: { failure: x, status: 200 } }
time: soon
expect:
  respons: 1
  local: 3
  logs: { a: b }
  response: { status: { like: 3 } }
`;
    assert.deepEqual(
      problemsOf(text).map((line) => line.replace(/;.*/, '')),
      [
        'a.yaml:2:1 a test has no "reqest"',
        'a.yaml:4:3 a path begins with / and has no spaces',
        'a.yaml:5:14 "host" is the authority of a request',
        'a.yaml:5:23 "content-length" belongs to the codec: it follows from the body',
        'a.yaml:5:42 "a b" is no name of a header',
        'a.yaml:6:13 a status is a number from 200 to 599',
        'a.yaml:7:15 source.port is an integer',
        'a.yaml:8:21 a failure has no status, headers, body or trailers',
        'a.yaml:9:1 a time is written as 2026-01-31T12:00:00Z',
        'a.yaml:11:3 what is expected has no "respons"',
        'a.yaml:12:3 answered by the filter itself is true or false',
        'a.yaml:13:3 logs is a list',
        'a.yaml:14:15 response status is a text, or one of matches, contains, absent',
        'a.yaml:14:25 response status has no "like"',
      ],
    );
  });

  test('has no name, nothing to do, nothing expected, or too much at once', () => {
    assert.deepEqual(problemsOf('request: {}\nexpect: {}'), ['a.yaml:1:1 a test has a name']);
    assert.deepEqual(problemsOf('name: a'), [
      'a.yaml:1:1 one of request, connection or tick is needed: what is done',
      'a.yaml:1:1 "expect" is missing: what should come of it',
    ]);
    assert.deepEqual(problemsOf('name: a\ntick: 1\nrequest: {}\nexpect: {}'), [
      'a.yaml:1:1 one of request, connection or tick is needed: what is done',
    ]);
    assert.deepEqual(problemsOf('name: a\nrequest: {}\nsteps: []'), [
      'a.yaml:2:1 "request" belongs to one of the steps',
    ]);
    assert.deepEqual(problemsOf('name: a\nrefused: b\nrequest: {}'), [
      'a.yaml:3:1 what is refused has no "request": it never runs',
    ]);
    assert.deepEqual(problemsOf(''), ['a.yaml:1:1 there is no test in it']);
    assert.deepEqual(problemsOf('- a'), ['a.yaml:1:1 a test is a map']);
    assert.match(problemsOf('name: [')[0], /^a\.yaml:1:\d+ Flow sequence/);
    assert.match(problemsOf('name: a\nname: b\nrequest: {}\nexpect: {}')[0], /^a\.yaml:2:1 Map keys must be unique/);
    const pattern = problemsOf("name: a\nrequest: {}\nexpect: { response: { body: { matches: '(' } } }");
    assert.match(pattern[0], /^a\.yaml:3:\d+ Invalid regular expression/);
  });
});
