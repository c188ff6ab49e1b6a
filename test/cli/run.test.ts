import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, suite, test } from 'node:test';
import { freePort } from '../../bench/ports.ts';
import { eventually } from '../until.ts';
import { mesh as typed } from './in-process.ts';
import { mesh, Running, temporaryHome } from './mesh.ts';

const { home, remove } = temporaryHome();
const APP = join(home, 'app.mjs');
/** Where the applications listen. */
const ports = new Map<Running, number>();

/** An app that knows nothing of the mesh: tells who it is, calls others by name, takes its time, ends as it is told to. */
const APP_SOURCE = `
import { createServer } from 'node:http';
let sick = false;
const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://app');
  if (url.pathname === '/call') {
    const answer = await fetch(url.searchParams.get('url'));
    response.end(answer.status + ' ' + (await answer.text()));
  } else if (url.pathname === '/slow') {
    process.stdout.write('slow request\\n');
    setTimeout(() => response.end('at last'), 600);
  } else if (url.pathname === '/env') {
    const { HTTP_PROXY, HTTPS_PROXY, NODE_USE_ENV_PROXY, NO_PROXY, PORT, HOST } = process.env;
    response.end(JSON.stringify({ HTTP_PROXY, HTTPS_PROXY, NODE_USE_ENV_PROXY, NO_PROXY, PORT, HOST }));
  } else if (url.pathname === '/healthz') {
    response.writeHead(sick ? 503 : 200).end();
  } else if (url.pathname === '/sick') {
    sick = url.searchParams.has('yes');
    response.end();
  } else if (url.pathname === '/exit') {
    response.end('bye', () => process.exit(Number(url.searchParams.get('code'))));
  } else response.end(process.env.WHO ?? 'nobody');
});
server.listen(Number(process.env.PORT), process.env.HOST);
process.on('SIGTERM', () => {
  process.stdout.write('app was told to stop\\n');
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
process.on('SIGUSR2', () => process.stdout.write('app got SIGUSR2\\n'));
`;

async function start(service: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const port = await freePort();
  const running = new Running(
    ['run', '--service', service, '--port', String(port), ...args, '--', process.execPath, APP],
    {
      home,
      env,
    },
  );
  ports.set(running, port);
  await running.ready;
  return running;
}

suite('mesh run', { timeout: 220_000 }, () => {
  let up: Running;
  let client: Running;

  before(async () => {
    writeFileSync(APP, APP_SOURCE);
    up = new Running(['up', '--port', '0'], { home });
    await up.ready;
    client = await start('client', ['--name', 'client-1']);
  });
  after(async () => {
    await client?.stop();
    await up?.stop();
    remove();
  });

  test('an application calls another one by its name, and finds its environment set', async () => {
    const server = await start('greeter', ['--version', 'v1', '--name', 'greeter-v1-1'], { WHO: 'greeter one' });
    const port = ports.get(server);
    await eventually(async () => {
      assert.equal((await through(client, `/call?url=http://greeter:${port}/`)).text, '200 greeter one');
    });
    const { text: env } = await through(client, '/env');
    const { HTTP_PROXY, HTTPS_PROXY, NODE_USE_ENV_PROXY, NO_PROXY, HOST } = JSON.parse(env);
    assert.equal(HTTP_PROXY, (await client.ready).outbound);
    assert.equal(HTTPS_PROXY, HTTP_PROXY);
    assert.equal(NODE_USE_ENV_PROXY, '1');
    assert.match(NO_PROXY, /^localhost,127\.0\.0\.1,::1/);
    assert.equal(HOST, '127.0.0.1');

    const status = await typed(['ps'], { home });
    assert.match(status.out, /^client-1\.default +SYNCED +0 +1 /m);
    const routes = await typed(['pc', 'routes', 'client-1'], { home });
    assert.match(routes.out, /greeter\.default\.svc\.cluster\.local/);
    const endpoints = await typed(['pc', 'endpoints', 'client-1', '--json'], { home });
    assert.ok(
      (JSON.parse(endpoints.out) as { workload: string }[]).some(({ workload }) => workload === 'greeter-v1-1'),
    );
    for (const what of ['listeners', 'clusters', 'filters']) {
      const { code, err } = await typed(['pc', what, 'client-1'], { home });
      assert.equal(code, 0, `${what}: ${err}`);
    }
    await server.stop();
    await eventually(async () => {
      const { text: answer } = await through(client, `/call?url=http://greeter:${port}/`);
      assert.match(answer, /^50[23] /, 'its endpoint has left the registry');
    });
  });

  test('told to stop, it finishes the request that is under way before the application is told', async () => {
    const server = await start('slow', [], { WHO: 'slow' });
    const port = ports.get(server);
    await eventually(async () => {
      assert.equal((await through(client, `/call?url=http://slow:${port}/`)).text, '200 slow');
    });
    const answer = through(client, `/call?url=http://slow:${port}/slow`);
    await eventually(async () => assert.match(server.out, /slow request/));
    const { code } = await server.stop('SIGTERM');
    assert.equal((await answer).text, '200 at last');
    assert.match(server.out, /app was told to stop/);
    assert.equal(code, 0);
  });

  test('an application is called while its probe finds it ready', async () => {
    const args = ['--probe-http', '/healthz', '--probe-period', '100ms', '--probe-failures', '2'];
    const server = await start('probed', [...args, '--name', 'probed-1'], { WHO: 'probed' });
    const port = ports.get(server);
    const answered = async (expected: RegExp): Promise<void> =>
      eventually(async () => {
        assert.match((await through(client, `/call?url=http://probed:${port}/`)).text, expected);
      });
    await answered(/^200 probed$/);
    await fetch(`http://127.0.0.1:${port}/sick?yes`);
    await answered(/^503 /);
    await eventually(() =>
      assert.match(server.err, /probed-1 is not ready, and nobody calls it .*: it answers 503, 2 /),
    );
    await fetch(`http://127.0.0.1:${port}/sick`);
    await answered(/^200 probed$/);
    await eventually(() => assert.match(server.err, /probed-1 is ready again/));
    await server.stop();
  });

  test('a job has no port, calls by names, is known by its identity, and its exit code is the result', async () => {
    const server = await start('counter', ['--version', 'v2'], { WHO: 'counter' });
    const source = `const answer = await fetch('http://counter/'); console.log(process.env.PORT, await answer.text()); process.exit(4)`;
    const job = ['run', '--service', 'job', '--json', '--', process.execPath, '--input-type=module', '-e', source];
    await eventually(async () => {
      const { code, out, err } = await mesh(job, { home });
      assert.match(out, /^undefined counter$/m, err);
      assert.equal(code, 4);
      assert.equal(JSON.parse(out.replace(/^undefined.*\n/m, '')).inbound, null);
    });
    await server.stop();
  });

  test('an application whose Node does not heed HTTP_PROXY is told of', async () => {
    const bin = join(home, 'old');
    mkdirSync(bin);
    writeFileSync(join(bin, 'node'), '#!/bin/sh\necho v20.20.2\n', { mode: 0o755 });
    const env = { PATH: `${bin}:${process.env.PATH}` };
    const old = await mesh(['run', '--service', 'old', '--', 'node', 'app.js'], { home, env });
    assert.match(
      old.err,
      /^mesh: the application's Node is 20\.20\.2, which does not heed HTTP_PROXY: .*Node 24 does/m,
    );
    assert.equal(old.code, 0);
    assert.doesNotMatch(client.err, /HTTP_PROXY/);
  });

  test("the application's exit code is the command's, and signals are passed on", async () => {
    const server = await start('ending');
    server.child.kill('SIGUSR2');
    await eventually(async () => assert.match(server.out, /app got SIGUSR2/));
    await through(server, '/exit?code=7');
    assert.deepEqual(await server.ended, { code: 7, signal: null });

    const killed = await start('killed');
    process.kill(Number((await killed.ready).pid), 'SIGKILL');
    assert.equal((await killed.ended).code, 137);
    assert.match(killed.err, /the application ended \(SIGKILL\)/);
  });

  test('a killed sidecar takes its application along', async () => {
    const server = await start('orphan');
    const pid = Number((await server.ready).pid);
    server.child.kill('SIGKILL');
    await server.ended;
    await eventually(async () => assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' }));
  });

  test('a parent that goes takes it along in order', async () => {
    const server = await start('child');
    server.child.disconnect();
    assert.equal((await server.ended).code, 0);
    assert.match(server.out, /app was told to stop/);
  });

  test('an application that does not start or listen is told in one line', async () => {
    const args = ['run', '--service', 'broken', '--port', String(await freePort())];
    const silent = await mesh(
      [...args, '--ready-timeout', '6s', '--', process.execPath, '-e', 'setInterval(() => 0, 1000)'],
      { home },
    );
    assert.equal(silent.code, 1);
    assert.match(silent.err, /^mesh: the application does not listen on 127\.0\.0\.1:\d+ after 6 s.*\n$/m);
    const ending = await mesh([...args, '--', process.execPath, '-e', 'process.exit(3)'], { home });
    assert.match(ending.err, /the application ended before it listened \(exit code 3\)/);
    assert.equal(ending.code, 3);
    assert.equal((await mesh([...args, '--', process.execPath, '-e', ''], { home })).code, 0, 'as the application');
    const absent = await mesh([...args, '--', 'no-such-command-anywhere'], { home });
    assert.equal(absent.code, 1);
    assert.match(absent.err, /^mesh: cannot start no-such-command-anywhere: there is no such command\n$/m);
  });

  test('a port that somebody has already is told before anything starts', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const { code, err } = await mesh(['run', '--service', 'late', '--port', String(port), '--', 'true'], { home });
    assert.equal(code, 1);
    assert.equal(err, `mesh: port ${port} on 127.0.0.1 is in use: the application cannot listen there\n`);
    taken.close();
  });
});

/** Asks the application of a `mesh run` directly, past its sidecar. */
async function through(running: Running, path: string): Promise<{ status: number; text: string }> {
  const port = ports.get(running);
  const call = request({ host: '127.0.0.1', port, path, agent: false });
  call.end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  return { status: response.statusCode!, text: await text(response) };
}
