import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import { guest } from '../core/wasm/guests.ts';
import { busy, CONFIGURE, denying, filter, REQUEST_BODY, REQUEST_HEADERS, RESPONSE_HEADERS } from '../plugins/wat.ts';
import { mesh } from './in-process.ts';

const KEYS = [
  'accepted',
  'refusal',
  'abi',
  'trap',
  'actions',
  'request',
  'response',
  'local',
  'logs',
  'metrics',
  'calls',
  'properties',
  'memoryPages',
];

/** Logs its configurations, its root id and the request's body. */
const echo = filter(
  `(func $say (param $type i32)
    (drop (call $proxy_get_buffer_bytes (local.get $type) (i32.const 0) (i32.const 1000) (i32.const 64) (i32.const 68)))
    (drop (call $proxy_log (i32.const 2) (i32.load (i32.const 64)) (i32.load (i32.const 68)))))
  ${CONFIGURE}
    (call $say (i32.const 6)) (call $say (i32.const 7))
    (drop (call $proxy_get_property (TEXT root) (i32.const 64) (i32.const 68)))
    (drop (call $proxy_log (i32.const 2) (i32.load (i32.const 64)) (i32.load (i32.const 68))))
    (i32.const 1))
  ${REQUEST_BODY} (call $say (i32.const 0)) (i32.const 0))
  ${RESPONSE_HEADERS} (i32.const 0))`,
  {
    texts: { root: 'plugin_root_id' },
    imports: [
      ['proxy_get_buffer_bytes', 'i32 i32 i32 i32 i32'],
      ['proxy_get_property', 'i32 i32 i32 i32'],
      ['proxy_log', 'i32 i32 i32'],
    ],
  },
);

const MODULES: Readonly<Record<string, Uint8Array>> = {
  busy: busy(),
  denying: denying(),
  echo,
  trapping: filter(`${REQUEST_HEADERS} (unreachable))`),
  looping: filter(`${REQUEST_HEADERS} (loop $l (br $l)) (i32.const 0))`),
  holding: filter(`${REQUEST_HEADERS} (i32.const 1))`),
  refusing: filter(`${CONFIGURE} (i32.const 0))`),
  network: filter('(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 0))'),
  markerless: guest({ abi: '' }),
  unlinkable: guest({ imports: '(import "env" "coffee" (func))' }),
};

let folder: string;
const file = (name: string) => join(folder, `${name}.wasm`);

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'mesh-plugin-'));
  for (const [name, bytes] of Object.entries(MODULES)) writeFileSync(file(name), bytes);
  writeFileSync(join(folder, 'config.json'), '{"from":"file"}');
  writeFileSync(join(folder, 'notes.txt'), 'no module');
  writeFileSync(file('empty'), '');
  // 300 MB that take no room.
  writeFileSync(file('huge'), MODULES.busy);
  truncateSync(file('huge'), 300_000_000);
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** `mesh plugin try NAME.wasm ... --json`. */
async function tried(name: string, ...args: readonly string[]) {
  const outcome = await mesh(['plugin', 'try', file(name), ...args, '--json']);
  assert.match(outcome.out, /^\{/, outcome.err);
  const report = JSON.parse(outcome.out);
  assert.deepEqual(Object.keys(report), KEYS);
  return { ...outcome, report };
}

suite('mesh plugin check', () => {
  test('says in words what a module will be able to do', async () => {
    const { code, out, err } = await mesh(['plugin', 'check', file('busy')]);
    assert.equal(code, 0);
    assert.equal(err, '');
    assert.match(out, /busy\.wasm: HTTP filter, proxy-wasm 0\.2\.1, \d+ bytes/);
    assert.match(out, / {2}- change the headers of requests and responses \(change_headers\)/);
    assert.match(out, / {2}- publish metrics \(metrics\)/);
    assert.doesNotMatch(out, /call other services/);
  });

  test('--json prints one object', async () => {
    const { code, out } = await mesh(['plugin', 'check', file('denying'), '--json']);
    const description = JSON.parse(out);
    assert.equal(code, 0);
    assert.equal(description.accepted, true);
    assert.equal(description.size, MODULES.denying.length);
    assert.deepEqual(description.imports, ['env.proxy_send_local_response']);
    assert.deepEqual(
      description.capabilities.map(({ name }: { name: string }) => name),
      ['local_response'],
    );
  });

  test('a refused module is one line and exit code 3, with --json also an object', async () => {
    const cases: (readonly [string, RegExp])[] = [
      [file('markerless'), /no proxy-wasm module/],
      [file('unlinkable'), /imports the unknown function env\.coffee/],
      [file('empty'), /not a WebAssembly module/],
      [join(folder, 'notes.txt'), /not a WebAssembly module/],
      [file('huge'), /larger than 33554432 bytes/],
    ];
    await Promise.all(
      cases.map(async ([path, expected]) => {
        const plain = await mesh(['plugin', 'check', path]);
        assert.equal(plain.code, 3, path);
        assert.equal(plain.out, '', path);
        assert.match(plain.err, /^mesh: [^\n]* cannot run: [^\n]*\n$/);
        assert.match(plain.err, expected);
      }),
    );
    const { code, out } = await mesh(['plugin', 'check', file('unlinkable'), '--json']);
    assert.equal(code, 3);
    assert.match(JSON.parse(out).refusal, /env\.coffee/);
  });
});

suite('mesh plugin try', () => {
  test('prints what a filter did, without a mesh', async () => {
    const { code, out, err } = await mesh(['plugin', 'try', file('busy')], { home: join(folder, 'nowhere') });
    assert.equal(code, 0);
    assert.equal(err, '');
    assert.match(out, /Actions\n {2}proxy_on_request_headers: continue\n/);
    assert.match(out, /Request\n {2}:authority: localhost\n/);
    assert.match(out, / {2}x-busy: yes\n/);
    assert.match(out, /Response: 200\n/);
    assert.match(out, /Log\n {2}info: grüß dich\n/);
    assert.match(out, /Metrics\n {2}busy_total \(counter\): 3\n/);
    assert.match(out, /Host calls\n {2}proxy_log\(2, "grüß dich"\)\n/);
  });

  test('--json prints one object with everything', async () => {
    const { code, report } = await tried('busy');
    assert.equal(code, 0);
    assert.deepEqual([report.accepted, report.refusal, report.trap, report.local], [true, null, null, null]);
    assert.deepEqual(report.properties, ['source.address']);
    assert.deepEqual(report.metrics, [{ name: 'busy_total', type: 'counter', value: 3 }]);
    assert.equal(report.memoryPages, 1);
  });

  test('the request and the answer are as the options say', async () => {
    const { report } = await tried(
      'echo',
      ...['-X', 'PUT', '--path', '/a?b=c', '-H', 'X-One: 1', '-H', 'x-one: 2', '-H', 'Host: shop', '-d', 'grüß'],
      ...['--response-status', '418', '--response-header', 'X-Tea: pot', '--response-body', 'short and stout'],
    );
    assert.deepEqual(report.request, {
      headers: [
        [':authority', 'shop'],
        [':path', '/a?b=c'],
        [':method', 'PUT'],
        [':scheme', 'http'],
        ['x-one', '1'],
        ['x-one', '2'],
      ],
      body: 'grüß',
    });
    assert.deepEqual(report.response, {
      status: 418,
      headers: [
        ['x-tea', 'pot'],
        ['content-length', '15'],
      ],
      body: 'short and stout',
    });
    assert.equal(report.logs.at(-1).message, 'grüß');
  });

  test('a body without a method is a POST', async () => {
    const { report } = await tried('echo', '-d', 'x');
    assert.deepEqual(report.request.headers[2], [':method', 'POST']);
  });

  test('configurations come from the line or from a file, and the root id from its option', async () => {
    const [line, files] = await Promise.all([
      tried('echo', '--config', '{"a":1}', '--vm-config', 'vm', '--root-id', 'mine'),
      tried('echo', '--config', `@${join(folder, 'config.json')}`, '--vm-config', `@${join(folder, 'notes.txt')}`),
    ]);
    const said = ({ report }: typeof line) => report.logs.map(({ message }: { message: string }) => message);
    assert.deepEqual(said(line), ['vm', '{"a":1}', 'mine']);
    assert.deepEqual(said(files).slice(0, 2), ['no module', '{"from":"file"}']);
  });

  test('a property is what --property says', async () => {
    const { report } = await tried('busy', '--property', 'source.address=10.1.2.3:4', '--property', 'x=y');
    assert.equal(report.logs[1].message, '10.1.2.3:4');
  });

  test('a local reply', async () => {
    const { code, report } = await tried('denying');
    assert.equal(code, 0);
    assert.deepEqual(report.local, { status: 403, headers: [['x-a', 'yes']], body: 'no\n' });
    const { out } = await mesh(['plugin', 'try', file('denying')]);
    assert.match(out, /Answered by the filter: 403\n {2}x-a: yes\n/);
    assert.match(out, /Request \(not sent on\)/);
  });

  test('a request that is held has no response', async () => {
    const { code, report } = await tried('holding');
    assert.equal(code, 0);
    assert.deepEqual(report.actions, [{ callback: 'proxy_on_request_headers', action: 'pause' }]);
    assert.equal(report.response, null);
    assert.match((await mesh(['plugin', 'try', file('holding')])).out, /Still held by the filter/);
  });

  test('a network filter', async () => {
    const { report } = await tried('network', '-d', 'ping', '--response-body', 'pong');
    assert.deepEqual([report.request.body, report.response.body], ['ping', 'pong']);
    assert.deepEqual(
      report.actions.map(({ callback }: { callback: string }) => callback),
      ['proxy_on_downstream_data'],
    );
  });

  test('--type decides against the look of a module', async () => {
    const { report } = await tried('busy', '--type', 'service');
    assert.deepEqual([report.actions, report.request], [[], null]);
  });

  test('a trap is exit code 1 and one line, with --json also the object', async () => {
    const { code, err, report } = await tried('trapping');
    assert.equal(code, 1);
    assert.match(report.trap, /^proxy_on_request_headers: unreachable/);
    assert.match(err, /^mesh: [^\n]*trapping\.wasm trapped in proxy_on_request_headers: unreachable[^\n]*\n$/);
  });

  test('a loop without end is a trap that says so', async () => {
    const { code, report } = await tried('looping');
    assert.equal(code, 1);
    assert.match(report.trap, /ran for too long/);
  });

  test('a refused module is exit code 3 and one line, with --json also the object', async () => {
    for (const name of ['refusing', 'markerless', 'empty']) {
      const { code, err, report } = await tried(name);
      assert.equal(code, 3, name);
      assert.equal(report.accepted, false, name);
      assert.match(err, /^mesh: [^\n]* cannot run: [^\n]+\n$/, name);
    }
    const plain = await mesh(['plugin', 'try', file('refusing')]);
    assert.deepEqual([plain.code, plain.out], [3, '']);
  });
});

test('wrong options are one line and exit code 2, and name what is wrong', async () => {
  const cases: (readonly [readonly string[], RegExp])[] = [
    [['try'], /missing required argument 'file'/],
    [['try', file('busy'), '--type', 'tcp'], /Allowed choices are http, network, service/],
    [['try', file('busy'), '-H', 'nonsense'], /a header is 'name: value'/],
    [['try', file('busy'), '-H', 'a b: c'], /a header is 'name: value'/],
    [['try', file('busy'), '-H', 'a: b\x07c'], /no control characters/],
    [['try', file('busy'), '-X', 'GET /'], /a method is a word/],
    [['try', file('busy'), '--path', 'reviews'], /a path begins with \//],
    [['try', file('busy'), '--response-status', '99'], /a status is a number from 200 to 599/],
    [['try', file('busy'), '--response-header', ': x'], /a header is 'name: value'/],
    [['try', file('busy'), '--property', 'novalue'], /a property is PATH=VALUE/],
    [['try', file('busy'), '--property', 'source.port=http'], /source\.port is an integer/],
    [
      ['try', file('busy'), '--config', '@/no/such/file'],
      /--config: cannot read \/no\/such\/file: there is no such file/,
    ],
    [['check'], /missing required argument 'file'/],
    [['frobnicate'], /^mesh: mesh plugin has no command 'frobnicate'; there are new, build, /],
    [['instal', 'x'], /^mesh: mesh plugin has no command 'instal'; did you mean 'install'\?$/m],
    [[], /say what: new, build, /],
  ];
  await Promise.all(
    cases.map(async ([args, expected]) => {
      const { code, out, err } = await mesh(['plugin', ...args]);
      assert.match(err, expected, args.join(' '));
      assert.match(err, /^mesh: [^\n]*\n$/, args.join(' '));
      assert.deepEqual([out, code], ['', 2], args.join(' '));
    }),
  );
});

test('a file that cannot be read is one line and exit code 1', async () => {
  const [missing, directory] = await Promise.all([
    mesh(['plugin', 'try', file('missing')]),
    mesh(['plugin', 'check', folder]),
  ]);
  assert.deepEqual([missing.code, directory.code], [1, 1]);
  assert.match(missing.err, /^mesh: cannot read [^\n]*missing\.wasm: there is no such file\n$/);
  assert.match(directory.err, /^mesh: cannot read [^\n]*: it is a folder\n$/);
});
