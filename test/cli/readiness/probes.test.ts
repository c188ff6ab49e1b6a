// Each kind of probe against an application that is ready, one that is not, one that is silent, and one that is not there.
import assert from 'node:assert/strict';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { after, test } from 'node:test';
import { Command } from 'commander';
import { freePort } from '../../../bench/ports.ts';
import { type ProbeOptions, probeOf, probeOptions, thresholdsOf } from '../../../cli/readiness/options.ts';
import { startApp, startTcp } from '../../path/data-plane.ts';

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers) await close();
});

const silent = await startTcp((socket) => socket.resume());
closers.push(silent.close);
const nobody = await freePort();
const NEVER = new AbortController().signal;

function parsed(args: readonly string[]): ProbeOptions {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  return probeOptions(command).parse(args, { from: 'user' }).opts<ProbeOptions>();
}

/** What a probe of these options says of the application at `port`; '' = it is ready. */
async function ask(port: number, ...args: string[]): Promise<string> {
  const probe = await probeOf(parsed(args), { address: '127.0.0.1', port }, process.env);
  return probe!.check(NEVER);
}

/** What it says when it is interrupted while it waits. */
async function interrupted(port: number, ...args: string[]): Promise<string> {
  const stop = new AbortController();
  const probe = await probeOf(parsed(args), { address: '127.0.0.1', port }, process.env);
  const fault = probe!.check(stop.signal);
  setImmediate(() => stop.abort());
  return fault;
}

test('a page is ready with 200 to 399, wherever it leads', async () => {
  const agents: (string | undefined)[] = [];
  const app = await startApp((request, response) => {
    agents.push(request.headers['user-agent']);
    response.writeHead(Number(request.url!.slice(1)), { location: 'http://127.0.0.1:1/' });
    response.end('x'.repeat(100));
  });
  closers.push(app.close);
  for (const status of [200, 204, 301, 399]) assert.equal(await ask(app.port, '--probe-http', `/${status}`), '');
  for (const status of [400, 404, 500, 503]) {
    assert.equal(await ask(app.port, '--probe-http', `/${status}`), `it answers ${status}`);
  }
  assert.equal(await ask(nobody, '--probe-http', `${app.port}/200`), '');
  assert.equal(await ask(nobody, '--probe-http', `http://127.0.0.1:${app.port}/200`), '');
  assert.match(await ask(nobody, '--probe-http', '/200'), /ECONNREFUSED/);
  assert.notEqual(await interrupted(silent.port, '--probe-http', '/'), '');
  assert.equal(agents[0], 'kube-probe/weft');
});

test('a port is ready that takes connections', async () => {
  assert.equal(await ask(nobody, '--probe-tcp', String(silent.port)), '');
  assert.equal(await ask(nobody, '--probe-tcp', `127.0.0.1:${silent.port}`), '');
  assert.match(await ask(silent.port, '--probe-tcp', String(nobody)), /ECONNREFUSED/);
});

test('a command is ready with exit code 0, and ends with what it has started', async () => {
  assert.equal(await ask(nobody, '--probe-exec', 'test "$HOME" != ""; exit 0'), '');
  assert.equal(await ask(nobody, '--probe-exec', 'exit 3'), 'its exit code is 3');
  assert.equal(await ask(nobody, '--probe-exec', 'kill -9 $$'), 'SIGKILL ended it');
  assert.equal(await ask(nobody, '--probe-exec', 'no-such-command'), 'its exit code is 127');
  assert.equal(await interrupted(nobody, '--probe-exec', 'sleep 60 & sleep 60'), 'SIGKILL ended it');
});

/** A health service: what it says of a service, or of the server as a whole (''). */
async function healthServer(answer: (stream: ServerHttp2Stream, service: string) => void): Promise<number> {
  const server = createServer();
  server.on('stream', (stream, headers) => {
    assert.equal(headers[':path'], '/grpc.health.v1.Health/Check');
    assert.equal(headers['content-type'], 'application/grpc');
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => undefined);
    stream.on('end', () => {
      const message = Buffer.concat(chunks);
      assert.equal(message.readUInt32BE(1), message.length - 5);
      answer(stream, message.subarray(7).toString());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sessions: { destroy(): void }[] = [];
  server.on('session', (session) => sessions.push(session));
  closers.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return ((server as unknown as Server).address() as AddressInfo).port;
}

function reply(stream: ServerHttp2Stream, message: Buffer, status = '0'): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
  stream.end(message);
}

test('a gRPC server is ready that is SERVING, as a whole or one service of it', async () => {
  const port = await healthServer((stream, service) => {
    const state = { '': 1, 'shop.v1.Orders': 1, down: 2, unsaid: 0, odd: 9 }[service];
    if (state !== undefined) reply(stream, state === 0 ? Buffer.alloc(5) : Buffer.of(0, 0, 0, 0, 2, 8, state));
    else if (service === 'cut') stream.close(2);
    else if (service === 'long') reply(stream, Buffer.alloc(10_000));
    else if (service === 'torn') reply(stream, Buffer.of(0, 0, 0, 0, 2, 8, 0x81));
    else if (service === 'short') reply(stream, Buffer.of(0, 0));
    else {
      const status = service === 'none' ? '12' : '5';
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': status },
        { endStream: true },
      );
    }
  });
  assert.equal(await ask(port, '--probe-grpc', '/'), '');
  assert.equal(await ask(nobody, '--probe-grpc', `${port}/shop.v1.Orders`), '');
  for (const [service, fault] of [
    ['down', 'it says NOT_SERVING'],
    ['unsaid', 'it says UNKNOWN'],
    ['odd', 'it says what is no status'],
    ['unknown', 'its health service does not know this service (grpc-status 5)'],
    ['none', 'it has no health service (grpc-status 12)'],
    ['long', 'its answer is none of the health service'],
    ['torn', 'its answer is no message: a number does not end'],
    ['short', 'its answer is no message'],
  ]) {
    assert.equal(await ask(port, '--probe-grpc', `/${service}`), fault);
  }
  assert.notEqual(await ask(port, '--probe-grpc', '/cut'), '');
  assert.match(await ask(nobody, '--probe-grpc', '/'), /ECONNREFUSED/);
  assert.notEqual(await interrupted(silent.port, '--probe-grpc', '/'), '');
  const http1 = await startApp((_, response) => response.end());
  closers.push(http1.close);
  assert.notEqual(await ask(http1.port, '--probe-grpc', '/'), '');
});

test('what a probe weighs is as of a WorkloadGroup where nothing is said', () => {
  const usual = { delayMs: 0, periodMs: 10_000, timeoutMs: 1000, failures: 3, successes: 1 };
  assert.deepEqual(thresholdsOf(parsed([])), usual);
  const said = ['--probe-delay', '5s', '--probe-period', '500ms', '--probe-failures', '1', '--probe-successes', '2'];
  assert.deepEqual(thresholdsOf(parsed(said)), { ...usual, delayMs: 5000, periodMs: 500, failures: 1, successes: 2 });
});

test('what is no probe is told, and so is one of nobody', async () => {
  for (const args of [
    ['--probe-http', 'healthz'],
    ['--probe-http', '0/healthz'],
    ['--probe-http', '/a b'],
    ['--probe-http', 'http://'],
    ['--probe-http', '70000/'],
    ['--probe-tcp', ''],
    ['--probe-tcp', 'db:5432'],
    ['--probe-tcp', '127.0.0.1:'],
    ['--probe-grpc', '50051'],
    ['--probe-grpc', '/a b'],
    ['--probe-period', '1ms'],
    ['--probe-failures', '0'],
    ['--probe-http', '/', '--probe-exec', 'true'],
  ]) {
    assert.throws(() => parsed(args), { exitCode: 1 }, args.join(' '));
  }
  await assert.rejects(probeOf(parsed(['--probe-tcp', '1']), null, {}), /give its --port/);
  assert.equal(await probeOf(parsed([]), null, {}), null);
});
