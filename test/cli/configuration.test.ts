import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, suite, test } from 'node:test';
import { mesh } from './in-process.ts';
import { type Outcome, ROOT, Running, temporaryHome } from './mesh.ts';

const { home, remove } = temporaryHome();
let up: Running;

const reviews = (subset: string) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
spec:
  hosts: [reviews]
  http:
    - route:
        - destination: { host: reviews, subset: ${subset} }
`;

const run = (args: readonly string[], input?: string): Promise<Outcome> => mesh(args, { home, input });

async function json<T>(args: readonly string[], input?: string): Promise<T> {
  const { out, err } = await run([...args, '--json'], input);
  try {
    return JSON.parse(out) as T;
  } catch {
    throw new Error(`not JSON: ${out}${err}`);
  }
}

suite('configuration from the command line', () => {
  before(async () => {
    up = new Running(['up', '--port', '0'], { home });
    await up.ready;
  });
  after(async () => {
    await up?.stop();
    remove();
  });

  test('what is changed is changed, whoever reads of it: a closed pipe says nothing, a full disk one line', async (t) => {
    const shell = async (line: string, input: string): Promise<{ code: number; err: string }> => {
      const command = line.replaceAll('MESH', `"${process.execPath}" cli/mesh.ts`);
      const child = spawn('bash', ['-o', 'pipefail', '-c', command], {
        cwd: ROOT,
        env: { ...process.env, MESH_HOME: home, NODE_TEST_CONTEXT: undefined, FORCE_COLOR: undefined },
      });
      child.stdin.end(input);
      const [err, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
      return { code, err };
    };
    const service = (name: string): string =>
      `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {ports: [{name: http, port: 80}]}}`;
    const quiet = { code: 0, err: '' };
    assert.deepEqual(await shell('MESH apply -f - 2>&1 | true', service('closed')), quiet);
    assert.deepEqual(await shell('MESH apply --wait -f - | head -c 1 > /dev/null', service('unread')), quiet);
    assert.equal((await shell('MESH apply -f - | true', service('no name'))).code, 3);
    if (existsSync('/dev/full')) {
      const full = await shell('MESH apply -f - > /dev/full', service('full'));
      assert.deepEqual(full, { code: 0, err: 'mesh: not everything was printed: no space left where it goes\n' });
      assert.deepEqual(await shell('MESH get -o yaml > /dev/full', ''), { ...full, code: 1 });
    } else t.diagnostic('no /dev/full here: a full disk was not tried');
    await run(['delete', 'service', 'closed', 'unread', ...(existsSync('/dev/full') ? ['full'] : [])]);
    assert.equal((await run(['get'])).out, 'no resources\n');
  });

  test('the context of a mesh is readable by its owner only', () => {
    assert.equal(statSync(home).mode & 0o777, 0o700);
    for (const file of ['context.json', 'token', 'nats/credentials.json']) {
      assert.equal(statSync(join(home, file)).mode & 0o777, 0o600, file);
    }
    assert.doesNotMatch(up.out + up.err, new RegExp(readFileSync(join(home, 'token'), 'utf8').trim()));
  });

  test('apply tells each resource, diff tells what would change, get gives it back as YAML that applies again', async () => {
    assert.match((await run(['apply', '-f', '-'], reviews('v1'))).out, /^VirtualService\/default\/reviews created$/m);
    assert.match((await run(['apply', '-f', '-'], reviews('v1'))).out, /^VirtualService\/default\/reviews unchanged$/m);

    const diff = await run(['diff', '-f', '-'], reviews('v2'));
    assert.match(diff.out, /^-\s+subset: v1$/m);
    assert.match(diff.out, /^\+\s+subset: v2$/m);
    assert.equal(diff.code, 0);
    assert.equal((await run(['diff', '-f', '-', '--exit-code'], reviews('v2'))).code, 1);
    assert.equal((await run(['diff', '-f', '-', '--exit-code'], reviews('v1'))).code, 0);

    const dry = await run(['apply', '-f', '-', '--dry-run', '--wait'], reviews('v2'));
    assert.match(dry.out, /^VirtualService\/default\/reviews configured \(dry run\)$/m);
    const yaml = await run(['get', 'vs', 'reviews', '-o', 'yaml']);
    assert.match(yaml.out, /subset: v1/);
    assert.match((await run(['apply', '-f', '-'], yaml.out)).out, /reviews unchanged$/m);
    assert.match((await run(['get', 'virtualservices'])).out, /^VirtualService +default +reviews +reviews$/m);
  });

  test('what get prints as JSON is a list that applies again', async () => {
    const service =
      '{apiVersion: v1, kind: Service, metadata: {name: reviews}, spec: {ports: [{name: http, port: 80}]}}';
    await run(['apply', '-f', '-'], `${reviews('v1')}\n---\n${service}`);
    const { out } = await run(['get', '-o', 'json']);
    assert.deepEqual([JSON.parse(out).apiVersion, JSON.parse(out).kind], ['v1', 'List']);
    const again = await run(['apply', '-f', '-'], out);
    assert.equal(again.code, 0, again.err);
    assert.equal(again.out.match(/ unchanged$/gm)?.length, 2, again.out);
    await run(['delete', 'service', 'reviews']);
  });

  test('a resource is named in every form that mesh itself prints, and what is misspelt is told', async () => {
    for (const form of [['vs', 'reviews'], ['VirtualService/reviews'], ['virtualservices/default/reviews']]) {
      assert.match((await run(['get', ...form, '-o', 'yaml'])).out, /^ {2}name: reviews$/m, form.join(' '));
    }
    await run(['apply', '-f', '-'], reviews('v1').replace('name: reviews', 'name: other'));
    const gone = await run(['delete', 'VirtualService/default/other', '--json']);
    assert.equal(gone.code, 0, gone.err);
    const told: [string[], number, RegExp][] = [
      [['get', 'virtualservce'], 2, /^mesh: there is no kind 'virtualservce'; did you mean 'VirtualService'\?$/m],
      [['get', 'vs', 'reviws'], 1, /^mesh: VirtualService\/reviws does not exist; did you mean 'reviews'\?$/m],
      [
        ['get', 'vs/shop/reviews'],
        1,
        /^mesh: VirtualService\/shop\/reviews does not exist; there is one in the namespace default$/m,
      ],
      [['delete', 'vs/default/reviws'], 1, /did you mean 'reviews'\?: nothing was changed$/m],
      [['delete', 'vs'], 2, /which vs\? Names are missing$/m],
      [['delete', 'vs/a/b/c'], 2, /neither KIND\/NAME nor KIND\/NAMESPACE\/NAME$/m],
      [['delete', 'vs/'], 2, /names no resource$/m],
    ];
    for (const [args, code, message] of told) {
      const answer = await run(args);
      assert.equal(answer.code, code, `${args}: ${answer.err}`);
      assert.match(answer.err, message);
    }
  });

  test('a folder is one revision, and --wait without proxies is answered at once', async () => {
    const folder = join(home, 'rules');
    mkdirSync(join(folder, 'more'), { recursive: true });
    writeFileSync(join(folder, 'a.yaml'), reviews('v3'));
    writeFileSync(join(folder, 'b.yml'), reviews('v1').replaceAll('reviews', 'ratings'));
    writeFileSync(join(folder, 'more', 'c.yaml'), reviews('v1').replaceAll('reviews', 'details'));
    writeFileSync(join(folder, 'README.md'), 'no configuration');
    const first = await json<{ revision: number; changes: { key: string }[] }>(['apply', '-f', folder]);
    assert.deepEqual(
      first.changes.map(({ key }) => key),
      ['VirtualService/default/reviews', 'VirtualService/default/ratings'],
    );
    const { out, code } = await run(['apply', '-R', '-f', folder, '--wait']);
    assert.match(out, new RegExp(`^revision ${first.revision + 1}: 0/0 proxies$`, 'm'));
    assert.equal(code, 0);
  });

  test('a refused change says file, line, column, pointer and reason, and changes nothing', async () => {
    const file = join(home, 'broken.yaml');
    writeFileSync(
      file,
      `${reviews('v1').replace('subset', 'subsett')}---\n${reviews('v1').replace('VirtualService', 'VirtualServce')}`,
    );
    const { revision } = await json<{ revision: number }>(['get']);
    const { code, out, err } = await run(['apply', '-f', file]);
    assert.equal(code, 3);
    assert.equal(out, '');
    const [unknownField, unknownKind, summary] = err.trim().split('\n');
    assert.ok(
      unknownField.startsWith(`${file}:9:41 /spec/http/0/route/0/destination/subsett: unknown field "subsett"`),
      err,
    );
    assert.match(unknownKind, /broken\.yaml:12:\d+ \/kind: .*VirtualService/);
    assert.equal(summary, 'mesh: 2 errors in the configuration: nothing was changed');
    const refused = await json<{ error: string; exitCode: number; problems: unknown[] }>(['apply', '-f', file]);
    assert.equal(refused.exitCode, 3);
    assert.equal(refused.problems.length, 2);
    assert.equal((await json<{ revision: number }>(['get'])).revision, revision);
  });

  test('a change of a revision that is no longer the newest is a conflict with exit code 6', async () => {
    const { revision } = await json<{ revision: number }>(['get']);
    assert.equal((await run(['apply', '-f', '-', '--parent', String(revision)], reviews('v7'))).code, 0);
    const { code, err } = await run(['apply', '-f', '-', '--parent', String(revision)], reviews('v8'));
    assert.equal(code, 6);
    assert.match(err, /^mesh: the configuration is at revision \d+, not \d+: somebody else changed it first\n$/);
  });

  test('rollback brings back what delete took, and history tells both', async () => {
    await run(['apply', '-f', '-'], reviews('v4'));
    const { revision } = await json<{ revision: number }>(['get']);
    const deleted = await run(['delete', 'vs', 'reviews', '--wait']);
    assert.match(deleted.out, /^VirtualService\/default\/reviews deleted$/m);
    const gone = await run(['get', 'vs', 'reviews']);
    assert.equal(gone.code, 1);
    assert.match(gone.err, /does not exist/);
    assert.equal((await run(['delete', 'vs', 'reviews'])).code, 1);
    assert.match((await run(['rollback', String(revision)])).out, /^VirtualService\/default\/reviews created$/m);
    assert.match((await run(['get', 'vs', 'reviews', '-o', 'yaml'])).out, /subset: v4/);
    const { items } = await json<{ items: { message: string }[] }>(['history', '-l', '2']);
    assert.deepEqual(
      items.map(({ message }) => message),
      [`rollback to revision ${revision}`, 'delete VirtualService/default/reviews'],
    );
    assert.equal((await run(['rollback', '99999'])).code, 1);
  });

  test('delete -f takes what a file names', async () => {
    await run(['apply', '-f', '-'], reviews('v1').replaceAll('reviews', 'fleeting'));
    const { out } = await run(['delete', '-f', '-'], reviews('v1').replaceAll('reviews', 'fleeting'));
    assert.equal(out, 'VirtualService/default/fleeting deleted\n');
  });

  test('files that are not there or hold nothing are wrong usage', async () => {
    const missing = await run(['apply', '-f', join(home, 'nowhere.yaml')]);
    assert.equal(missing.code, 2);
    assert.match(missing.err, /nowhere\.yaml does not exist/);
    mkdirSync(join(home, 'empty'), { recursive: true });
    assert.match((await run(['apply', '-f', join(home, 'empty')])).err, /holds no \.yaml, \.yml or \.json file/);
  });

  test('JSON documents one after the other and text of Windows are taken, other bytes are told', async () => {
    const service = (name: string): string =>
      `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "${name}"}, "spec": {"ports": [{"port": 80}]}}`;
    const stream = join(home, 'stream.json');
    writeFileSync(stream, Buffer.from(`\ufeff${service('one')}\r\n${service('two')}\r\n`, 'utf16le'));
    const { code, out } = await run(['apply', '-f', stream, '--dry-run']);
    assert.deepEqual([code, out.split('\n').length - 1], [0, 2], out);
    writeFileSync(stream, Buffer.from('{"\xfc": 1}', 'latin1'));
    const refused = await run(['apply', '-f', stream]);
    assert.equal(refused.code, 3);
    assert.match(
      refused.err,
      /stream\.json:1:3: a byte that is not UTF-8: save it as UTF-8\nmesh: .*cannot be read\n$/,
    );
  });

  test('files without a resource are no success', async () => {
    for (const text of ['', '# only a comment\n---\n']) {
      const { code, out, err } = await run(['apply', '-f', '-', '--wait'], text);
      assert.deepEqual([code, out, err], [1, '', 'mesh: the files name no resource: nothing was changed\n']);
    }
  });

  test('another token is refused, and says so', async () => {
    const other = temporaryHome();
    try {
      const context = JSON.parse(readFileSync(join(home, 'context.json'), 'utf8'));
      writeFileSync(join(other.home, 'context.json'), JSON.stringify({ ...context, token: 'not-the-token' }));
      const { code, err } = await mesh(['get'], { home: other.home });
      assert.equal(code, 1);
      assert.match(err, /token/);
    } finally {
      other.remove();
    }
  });

  test('no proxy is not an error, and a proxy that is not there is', async () => {
    const { code, err } = await run(['proxy-status']);
    assert.equal(code, 0);
    assert.match(err, /no proxy is connected/);
    assert.equal((await run(['ps', 'reviews-v1'])).code, 1);
  });

  test('colours stay away from pipes', async () => {
    const coloured = await mesh(['diff', '-f', '-'], { home, input: reviews('v9'), env: { NO_COLOR: '' } });
    assert.ok(coloured.out.includes('v9'));
    assert.ok(!coloured.out.includes('\x1b'));
  });

  test('a second mesh in the same home is refused in one line', async () => {
    const { code, err } = await run(['up']);
    assert.equal(code, 1);
    assert.match(err, /^mesh: a nats-server \(pid \d+\) already runs on .*: stop it first\n$/);
  });
});

test('what was applied is there again after the mesh was stopped, and in between the exit code is 5', async () => {
  const { home: own, remove: removeOwn } = temporaryHome();
  try {
    const first = new Running(['up', '--port', '0'], { home: own });
    await first.ready;
    assert.equal((await mesh(['apply', '-f', '-'], { home: own, input: reviews('v1') })).code, 0);
    assert.deepEqual(await first.stop('SIGINT'), { code: 0, signal: null });
    const between = await mesh(['get'], { home: own });
    assert.equal(between.code, 5);
    assert.match(between.err, /^mesh: control plane not reachable at http:\/\/127\.0\.0\.1:\d+: .*mesh up.*\n$/);
    const second = new Running(['up', '--port', '0'], { home: own });
    await second.ready;
    assert.match((await mesh(['get'], { home: own })).out, /VirtualService +default +reviews/);
    await second.stop();
  } finally {
    removeOwn();
  }
});
