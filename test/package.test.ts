import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';

import { edgeBefore } from './cli/edge.ts';

const ROOT = dirname(import.meta.dirname);
const execute = promisify(execFile);

suite('the published package', { timeout: 200_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-package-'));
  const packed = join(folder, 'packed');
  const user = join(folder, 'user');
  const mesh = join(user, 'node_modules', '.bin', 'mesh');

  before(async () => {
    mkdirSync(packed);
    mkdirSync(user);
    await execute(process.execPath, [join(ROOT, 'scripts', 'build.ts'), join(packed, 'dist')]);
    for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md']) {
      copyFileSync(join(ROOT, file), join(packed, file));
    }
    const { stdout } = await execute('npm', ['pack', '--ignore-scripts', '--json'], { cwd: packed, env: cleanEnv() });
    const tarball = join(packed, JSON.parse(stdout)[0].filename);
    writeFileSync(join(user, 'package.json'), '{ "private": true }');
    const args = ['install', tarball, '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
    await execute('npm', args, { cwd: user, env: cleanEnv() });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('installs into an empty folder and runs', async () => {
    const { stdout } = await execute(mesh, ['version', '--client', '--json'], { cwd: user, env: cleanEnv() });
    assert.equal(JSON.parse(stdout).client.node, process.versions.node);
  });

  test('brings no second Node, and runs with a newer one that lies beside it when it is started by an old one', async () => {
    const installed = readdirSync(join(user, 'node_modules'));
    assert.deepEqual(
      installed.filter((name) => /^node-(bin-)?(darwin|linux)/.test(name)),
      [],
    );
    const old = `data:text/javascript,if (!process.env.HAS_STARTED) Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.1.0' } }); process.env.HAS_STARTED = '1'`;
    const started = (): Promise<{ stdout: string }> =>
      execute(process.execPath, ['--import', old, mesh, 'version', '--client', '--json'], {
        cwd: user,
        env: cleanEnv(),
      });
    await assert.rejects(started(), /mesh: Node 24 or newer is needed, this one is 20\.1\.0: .*npm install node@24/);
    const beside = join(user, 'node_modules', '.bin', 'node');
    symlinkSync(process.execPath, beside);
    assert.equal(JSON.parse((await started()).stdout).client.node, process.versions.node);
    rmSync(beside);
  });

  test('an author without the compiler of filters is told what to install', async () => {
    const entry = join(user, 'filter.ts');
    writeFileSync(
      entry,
      "import { HttpFilter, register } from '@weft-mesh/weft/sdk';\nregister(() => new HttpFilter());\n",
    );
    const compiler = join(user, 'node_modules', '@weft-mesh', 'weft', 'dist', 'asbuild', 'compile.js');
    const script = `
      const { compileFilter } = await import(${JSON.stringify(compiler)});
      const wasm = await compileFilter({ entry: ${JSON.stringify(entry)} }).catch((error) => error.message);
      process.stdout.write(String(wasm));`;
    const { stdout } = await execute(process.execPath, ['--input-type=module', '-e', script], {
      cwd: user,
      env: cleanEnv(),
    });
    assert.match(stdout, /^the AssemblyScript compiler is not installed: npm install --save-dev assembly/);
  });

  test('has the SDK: a new plugin in that folder, which imports it by its name, builds and tests by npm', async () => {
    symlinkSync(join(ROOT, 'node_modules', 'assemblyscript'), join(user, 'node_modules', 'assemblyscript'));
    const env = { ...cleanEnv(), MESH_HOME: join(user, 'no-mesh') };
    await execute(mesh, ['plugin', 'new', 'greeting'], { cwd: user, env });
    const plugin = { cwd: join(user, 'greeting'), env };
    await execute('npm', ['run', 'build'], plugin);
    const { stdout } = await execute('npm', ['test'], plugin);
    assert.match(stdout, /\n5 passed /);
  });

  test('serves a request with its worker threads and built-in filters', async () => {
    const upstream = createServer((request, response) => response.end(`upstream saw ${request.url}`));
    upstream.listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    const rules = join(user, 'rules');
    mkdirSync(rules);
    writeFileSync(join(rules, 'edge.yaml'), edgeBefore((upstream.address() as AddressInfo).port, TEAPOT));
    const proxy = spawn(
      mesh,
      ['proxy', '--config', rules, '--shards', '2', '--gateway-port', '80=0', '--access-log', 'off'],
      { cwd: user, env: cleanEnv(), stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
    );
    try {
      const port = await gatewayPort(proxy);
      const plain = await fetchFrom(port, '/hello');
      assert.deepEqual([plain.statusCode, await text(plain)], [200, 'upstream saw /hello']);
      const aborted = await fetchFrom(port, '/teapot');
      assert.deepEqual([aborted.statusCode, await text(aborted)], [418, 'fault filter abort']);
    } finally {
      proxy.kill('SIGTERM');
      const [code] = await once(proxy, 'exit');
      upstream.closeAllConnections();
      upstream.close();
      assert.equal(code, 0);
    }
  });
});

const TEAPOT = `match: [{ uri: { exact: /teapot } }]
      fault: { abort: { percentage: { value: 100 }, httpStatus: 418 } }
      route: [{ destination: { host: upstream.example } }]`;

/** What npm tells its scripts would lead another npm to this project; whom it asks for packages stays. */
function cleanEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^npm_/i.test(name) || /^npm_config_(registry|cache|userconfig|globalconfig)$/i.test(name),
  );
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  return { ...Object.fromEntries(kept), PATH: path, NODE_TEST_CONTEXT: undefined, FORCE_COLOR: undefined };
}

async function gatewayPort(proxy: ChildProcess): Promise<number> {
  let words = '';
  proxy.stderr?.on('data', (chunk) => {
    words += chunk;
  });
  const early = once(proxy, 'exit').then(([code]) => {
    throw new Error(`mesh proxy ended with ${code}: ${words}`);
  });
  early.catch(() => null);
  const [message] = await Promise.race([once(proxy, 'message'), early]);
  return message.ready.listeners.find(({ kind }: { kind: string }) => kind === 'gateway').port;
}

async function fetchFrom(port: number, path: string): Promise<IncomingMessage> {
  const [response] = await once(get({ host: '127.0.0.1', port, path, agent: false }), 'response');
  return response;
}
