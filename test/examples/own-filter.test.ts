import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, suite, test } from 'node:test';
import { compileFilter } from '../../asbuild/compile.ts';
import { mesh } from '../cli/in-process.ts';
import { type Outcome, ROOT, Running } from '../cli/mesh.ts';
import { EVERY_PROXY, nobodyLeft, type RunningDemo, startDemo } from './running-demo.ts';

const TWO_MINUTES = 120_000;

/** What the README tells: from nothing to an own filter that serves on Bookinfo, each command as it is typed. */
suite('an own filter on Bookinfo', { timeout: 230_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-own-filter-'));
  const home = join(folder, 'mesh');
  const work = join(folder, 'work');
  const began = performance.now();
  let demo: RunningDemo;
  let gateway = '';
  const entries = join(home, 'demo.json');

  const run = (...args: readonly string[]): Promise<Outcome> => mesh(args, { home, cwd: work });
  const done = async (...args: readonly string[]): Promise<Outcome> => {
    const outcome = await run(...args);
    assert.equal(outcome.code, 0, `mesh ${args.join(' ')}\n${outcome.out}${outcome.err}`);
    return outcome;
  };

  before(async () => {
    mkdirSync(work);
    demo = startDemo(home, []);
    await demo.until(/Ctrl-C stops everything/);
    gateway = JSON.parse(readFileSync(entries, 'utf8')).gateway;
  });
  after(async () => {
    if (demo.child.exitCode === null) {
      demo.child.kill('SIGINT');
      await once(demo.child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = (path: string): Promise<Answer> => askAt(gateway + path);

  test('five commands and two minutes from nothing to the filter on every proxy', async () => {
    assert.equal((await ask('/productpage')).headers['x-hello'], undefined);
    await done('plugin', 'new', 'hello');
    const tested = await done('plugin', 'test', 'hello', '--build');
    assert.match(tested.out, /\n5 passed /);
    const installed = await done('plugin', 'install', './hello', '--enable', '--yes');
    assert.equal(installed.out, 'hello 0.1.0 installed, enabled\n');
    assert.match(installed.err, new RegExp(` wait +${EVERY_PROXY}`));
    const { headers, body } = await ask('/productpage');
    assert.equal(headers['x-hello'], 'hello from hello');
    assert.match(body, /<title>Simple Bookstore App<\/title>/);
    const ms = performance.now() - began;
    assert.ok(ms < TWO_MINUTES, `${Math.round(ms)} ms`);
  });

  test('mesh plugin dev swaps every save in, survives what is wrong, and puts back what was there', async () => {
    const dev = new Running(['plugin', 'dev', 'hello'], { home, cwd: work });
    const heard = (what: RegExp): Promise<void> => dev.says(what);
    await heard(new RegExp(`^live .*${EVERY_PROXY}`, 'm'));
    const file = join(work, 'hello', 'filter.ts');
    const source = readFileSync(file, 'utf8');
    const fixture = join(work, 'hello', 'tests', 'hello.yaml');
    const expected = readFileSync(fixture, 'utf8');
    const louder = source.replace(
      'head.set(this.header, this.value)',
      "head.set(this.header, concat(this.value, bytes('!')))",
    );
    // Before its fixtures know of the change it does not pass, and what serves stays.
    writeFileSync(file, louder.replace('import { ', 'import { concat, '));
    await heard(/x-greeting\n\s+- "hello"\n\s+\+ "hello!"\n/);
    await heard(/tests failed; the version before goes on serving/);
    assert.equal((await ask('/productpage')).headers['x-hello'], 'hello from hello');
    writeFileSync(fixture, expected.replaceAll('x-greeting: hello }', 'x-greeting: hello! }'));
    await heard(/live [\s\S]*\nlive .*\n/);
    assert.equal((await ask('/productpage')).headers['x-hello'], 'hello from hello!');
    writeFileSync(file, louder.replace('import { ', 'import { concat, ').replace('head.has', 'head.hass'));
    await heard(/hello\/filter\.ts:\d+:\d+: Property 'hass' does not exist/);
    await heard(/an error in the filter: nothing was built; the version before goes on serving/);
    assert.equal((await ask('/productpage')).headers['x-hello'], 'hello from hello!');
    const { code } = await dev.stop('SIGINT');
    assert.equal(code, 0, dev.out + dev.err);
    assert.match(dev.out, /plugin hello is as it was before\n$/);
    assert.equal((await ask('/productpage')).headers['x-hello'], 'hello from hello');
  });

  test('the example plugins are installed by path, and do on a mesh what they are for', async () => {
    for (const name of ['security-headers', 'request-id-from-claim', 'redact-body']) {
      cpSync(join(ROOT, 'examples', 'plugins', name), join(work, name), { recursive: true });
      mkdirSync(join(work, name, 'build'), { recursive: true });
      await compileFilter({
        entry: join(work, name, 'filter.ts'),
        out: join(work, name, 'build', 'release.wasm'),
        mode: 'debug',
      });
    }
    const gatewayOnly = ['--enable', '--yes', '--selector', 'istio=ingressgateway'];
    await done('plugin', 'install', './security-headers', ...gatewayOnly);
    await done('plugin', 'install', './request-id-from-claim', ...gatewayOnly);
    const allow = ['--allow', 'read_bodies,change_bodies', '--config', '{"fields":["ISBN-10"]}'];
    const refused = await run('plugin', 'install', './redact-body', ...gatewayOnly);
    assert.equal(refused.code, 3);
    assert.match(
      refused.err,
      /redact-body 0\.1\.0 wants read_bodies [^\n]*: agree with --allow read_bodies,change_bodies/,
    );
    await done('plugin', 'install', './redact-body', ...gatewayOnly, ...allow);
    const { headers, body } = await ask('/api/v1/products/0');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    // Here is no folder of this name.
    const tried = await mesh(['plugin', 'try', 'hello', '--response-body', 'x', '--json'], { home, cwd: folder });
    assert.equal(tried.code, 0, tried.err);
    const { accepted, response } = JSON.parse(tried.out);
    assert.equal(accepted, true);
    assert.deepEqual(
      response.headers.find(([name]: string[]) => name === 'x-hello'),
      ['x-hello', 'hello from hello'],
    );
    const missing = await run('plugin', 'try', 'nobody');
    assert.deepEqual([missing.code, missing.out], [2, '']);
    assert.match(missing.err, /^mesh: there is neither a file nor an installed plugin nobody\n$/);
    const details = JSON.parse(body) as Record<string, unknown>;
    assert.equal(details['ISBN-10'], '***');
    assert.equal(details['ISBN-13'], '123-1234567890');
  });

  test('the demo has written where everything is', async () => {
    assert.equal(statSync(entries).mode & 0o777, 0o600);
    const { api, token, nats, proxies } = JSON.parse(readFileSync(entries, 'utf8'));
    assert.match(nats, /^nats:\/\/127\.0\.0\.1:\d+$/);
    assert.equal((await askAt(`${api}/v1/proxies`, { authorization: `Bearer ${token}` })).status, 200);
    const names = proxies.map(({ service, version }: Record<string, string>) => [service, version].join(' ').trim());
    assert.deepEqual(names.sort(), [
      'details v1',
      'istio-ingressgateway',
      'productpage v1',
      'ratings v1',
      'reviews v1',
      'reviews v2',
      'reviews v3',
      'stars v1',
      'stock v1',
    ]);
    for (const { name, admin, outbound, inbound, version } of proxies) {
      assert.equal((await askAt(`${admin}/ready`)).body, 'LIVE\n', name);
      assert.equal(version !== '' && (outbound === null || inbound === null), false, name);
    }
  });

  test('the demo ends with Ctrl-C, also when it is pressed twice, and leaves no process', async () => {
    demo.child.kill('SIGINT');
    demo.child.kill('SIGINT');
    const [code] = await once(demo.child, 'exit');
    assert.equal(code, 0, demo.said());
    assert.ok(!existsSync(entries));
    await nobodyLeft(home);
  });
});

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

async function askAt(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const [response] = (await once(get(url, { headers, agent: false }), 'response')) as [IncomingMessage];
  return { status: response.statusCode!, headers: response.headers, body: await text(response) };
}
