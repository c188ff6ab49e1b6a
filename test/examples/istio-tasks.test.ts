import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, suite, test } from 'node:test';
import { mesh } from '../cli/in-process.ts';
import { ROOT } from '../cli/mesh.ts';
import { EVERY_PROXY } from './running-demo.ts';

const SAMPLES = join(ROOT, '..', 'shared', 'samples', 'istio', 'bookinfo');

/** Istio's tasks with Istio's files as they are. They are not part of this project, so this runs where they lie beside it. */
if (existsSync(SAMPLES)) {
  suite("Istio's traffic tasks with its own files", { timeout: 200_000 }, () => {
    const home = mkdtempSync(join(tmpdir(), 'mesh-istio-'));
    const demo = spawn(process.execPath, [join(ROOT, 'examples', 'bookinfo', 'demo.ts')], {
      env: { ...process.env, MESH_HOME: home, NODE_TEST_CONTEXT: undefined, FORCE_COLOR: undefined },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let gateway = '';
    const apply = async (...files: string[]): Promise<void> => {
      const args = files.flatMap((file) => ['-f', join(SAMPLES, file)]);
      const { code, out, err } = await mesh(['apply', ...args, '--wait', '--timeout', '30s'], { home });
      assert.equal(code, 0, err);
      assert.match(out, new RegExp(`revision \\d+: ${EVERY_PROXY}, p50 `));
    };
    const applyText = async (yaml: string): Promise<void> => {
      const { code, err } = await mesh(['apply', '-f', '-', '--wait', '--timeout', '30s'], { home, input: yaml });
      assert.equal(code, 0, err);
    };
    const page = async (user = ''): Promise<{ stars: string; body: string; ms: number }> => {
      const started = performance.now();
      const headers = user === '' ? {} : { cookie: `user=${user}` };
      const call = get(`${gateway}/productpage`, { headers, agent: false });
      const [response] = (await once(call, 'response')) as [IncomingMessage];
      const body = await text(response);
      assert.equal(response.statusCode, 200, body);
      const stars = /<font color="(\w+)">/.exec(body)?.[1] ?? 'none';
      return { stars, body, ms: performance.now() - started };
    };

    before(async () => {
      await new Promise<void>((ready, fail) => {
        let said = '';
        demo.stdout.on('data', (chunk) => {
          said += chunk;
          if (said.includes('Ctrl-C stops everything')) ready();
        });
        demo.once('exit', (code) => fail(new Error(`the demo ended with ${code}`)));
      });
      ({ gateway } = JSON.parse(readFileSync(join(home, 'demo.json'), 'utf8')));
      await apply('bookinfo.yaml', 'networking/bookinfo-gateway.yaml', 'networking/destination-rule-all.yaml');
    });
    after(async () => {
      if (demo.exitCode === null) {
        demo.kill('SIGINT');
        await once(demo, 'exit');
      }
      rmSync(home, { recursive: true, force: true });
    });

    test('before any rule all three versions of reviews answer', async () => {
      const seen = new Set<string>();
      for (let n = 0; n < 60 && seen.size < 3; n++) seen.add((await page()).stars);
      assert.deepEqual([...seen].sort(), ['black', 'none', 'red']);
    });

    test('request routing: everybody on v1, then jason on v2', async () => {
      await apply('networking/virtual-service-all-v1.yaml');
      for (let n = 0; n < 8; n++) assert.equal((await page()).stars, 'none');
      await apply('networking/virtual-service-reviews-test-v2.yaml');
      for (let n = 0; n < 4; n++) {
        assert.equal((await page('jason')).stars, 'black');
        assert.equal((await page()).stars, 'none');
      }
    });

    test('fault injection: a delay of 7 s is an error on the page for jason, an abort is one of ratings', async () => {
      await apply('networking/virtual-service-ratings-test-delay.yaml');
      const [jason, other] = await Promise.all([page('jason'), page()]);
      assert.match(jason.body, /Sorry, product reviews are currently unavailable for this book\./);
      assert.ok(jason.ms > 5_500, `two tries of 3 s took ${jason.ms} ms`);
      assert.match(other.body, /Book Reviews/);
      await apply('networking/virtual-service-ratings-test-abort.yaml');
      assert.match((await page('jason')).body, /Ratings service is currently unavailable/);
      assert.doesNotMatch((await page()).body, /unavailable/);
    });

    test('traffic shifting: half of the pages show red stars, then all of them', async () => {
      await apply('networking/virtual-service-all-v1.yaml');
      await apply('networking/virtual-service-reviews-50-v3.yaml');
      let red = 0;
      for (let n = 0; n < 80; n++) if ((await page()).stars === 'red') red++;
      // Four and a half standard deviations.
      assert.ok(red >= 20 && red <= 60, `${red} of 80`);
      await apply('networking/virtual-service-reviews-v3.yaml');
      for (let n = 0; n < 8; n++) assert.equal((await page()).stars, 'red');
    });

    test('request timeouts: half a second for reviews is too short when ratings takes two', async () => {
      await applyText(`${route('reviews', 'v2', 'timeout: 0.5s')}---
${route('ratings', 'v1', 'fault: { delay: { percentage: { value: 100 }, fixedDelay: 2s } }')}`);
      const { body, ms } = await page();
      assert.match(body, /Sorry, product reviews are currently unavailable for this book\./);
      // Twice half a second, because productpage tries twice.
      assert.ok(ms > 950, `${ms} ms`);
      await applyText(`${route('reviews', 'v2', '')}---\n${route('ratings', 'v1', '')}`);
      assert.equal((await page()).stars, 'black');
    });
  });
}

const route = (service: string, subset: string, more: string) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${service} }
spec:
  hosts: [${service}]
  http:
    - route: [{ destination: { host: ${service}, subset: ${subset} } }]
      ${more}
`;
