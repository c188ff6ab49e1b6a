import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { KeySource, type KeySourceEnvironment } from '../../../core/main/key-source.ts';
import type { ProxyOptions } from '../../../core/main.ts';
import { ISSUER, jwks, token } from '../../filters/tokens.ts';
import { until } from '../../until.ts';
import { bench, figure, type Got, get, listen, portOf, reverseProxy } from './harness.ts';

const HOUR_S = 3600;
const good = (algorithm?: string, claims: Record<string, unknown> = {}): Promise<string> =>
  token({ exp: Math.floor(Date.now() / 1000) + HOUR_S, ...claims }, algorithm);

interface Issuer {
  readonly url: string;
  /** What it answers with; a text is a body with status 200. Changes as a test likes. */
  answer: string | number | null;
  /** Requests so far. */
  asked: number;
  stop(): void;
}

/** A web server that publishes keys; null: it takes requests and never answers. */
async function issuer(t: TestContext, answer: Issuer['answer'] = jwks(['p256'])): Promise<Issuer> {
  const server = createServer((request, response) => {
    state.asked++;
    if (request.url === '/.well-known/openid-configuration') {
      response.end(JSON.stringify({ issuer: state.url, jwks_uri: `${state.url}/found` }));
      return;
    }
    if (state.answer === null) return;
    if (typeof state.answer === 'number') response.writeHead(state.answer).end();
    else response.end(state.answer);
  });
  await listen(server);
  const state: Issuer = { url: `http://127.0.0.1:${port(server)}`, answer, asked: 0, stop: () => stop(server) };
  t.after(state.stop);
  return state;
}

function port(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function stop(server: Server): void {
  server.closeAllConnections();
  server.close();
}

function authentication(rule: object): string {
  const metadata = { name: 'jwt', namespace: 'default' };
  const spec = { jwtRules: [rule] };
  return JSON.stringify({ apiVersion: 'security.istio.io/v1', kind: 'RequestAuthentication', metadata, spec });
}

/** A gateway whose policy names this place for the issuer's keys. */
async function gateway(t: TestContext, rule: object, options: Partial<ProxyOptions> = {}) {
  const { write, start, upstream, log, dir } = await bench(t);
  await write('edge.yaml', reverseProxy(upstream));
  await write('jwt.json', authentication({ issuer: ISSUER, ...rule }));
  const proxy = await start({ allowPrivateFetch: true, ...options });
  await proxy.ready;
  const call = (bearer: string | null): Promise<Got> =>
    get(`http://127.0.0.1:${portOf(proxy)}/`, {
      headers: bearer === null ? {} : { authorization: `Bearer ${bearer}` },
    });
  return { proxy, call, log, write, dir };
}

suite('keys that are fetched', () => {
  test('refuse tokens until they are there, and no other request', async (t) => {
    const { url, ...rest } = await issuer(t, null);
    assert.equal(rest.answer, null);
    const { call } = await gateway(t, { jwksUri: `${url}/keys` });
    assert.deepEqual(await call(await good()), { status: 401, body: 'Jwks remote fetch is failed' });
    assert.equal((await call(null)).status, 200);
  });

  test('verify tokens on every shard, and survive the issuer', async (t) => {
    const source = await issuer(t);
    const { call, proxy } = await gateway(t, { jwksUri: `${source.url}/keys` }, { shards: 2 });
    const bearer = await good();
    await until('the keys are there', async () => (await call(bearer)).status === 200);
    source.stop();
    for (let i = 0; i < 8; i++) assert.equal((await call(bearer)).status, 200);
    assert.equal((await call(await good('RS256'))).body, "Jwks doesn't have key to match kid or alg from Jwt");
    assert.equal(await figure(proxy, 'weft_jwks_failing'), 0);
    assert.equal(await figure(proxy, 'weft_jwks_fetches_total'), 1);
  });

  test('are found by what an issuer publishes about itself', async (t) => {
    const { url } = await issuer(t);
    const { call } = await gateway(t, { issuer: url });
    const bearer = await good('ES256', { iss: url });
    await until('the keys are there', async () => (await call(bearer)).status === 200);
  });

  test('are on disk for the next start, when the issuer is down', async (t) => {
    const source = await issuer(t);
    const rule = { jwksUri: `${source.url}/keys` };
    const first = await gateway(t, rule);
    const stateDir = `${first.dir}/state`;
    const bearer = await good();
    const second = await gateway(t, rule, { stateDir });
    await until('the keys are there', async () => (await second.call(bearer)).status === 200);
    await second.proxy.close();
    source.stop();
    const third = await gateway(t, rule, { stateDir });
    assert.match(await third.log.line(/keys cannot be fetched/), /ECONNREFUSED.*; the keys that it had stay/);
    assert.equal((await third.call(bearer)).status, 200);
    assert.equal(await figure(third.proxy, 'weft_jwks_failing'), 1);
  });

  test('are not fetched from a private address unless that is allowed', async (t) => {
    const { url } = await issuer(t);
    const { call, log } = await gateway(t, { jwksUri: `${url}/keys` }, { allowPrivateFetch: false });
    await log.line(/\/keys leads to 127\.0\.0\.1, which is a private address, which is not allowed here; its tokens/);
    assert.equal((await call(await good())).status, 401);
  });

  test('are forgotten with the policy, and fetched again with the next', async (t) => {
    const source = await issuer(t);
    const { call, write, log } = await gateway(t, { jwksUri: `${source.url}/keys` });
    const bearer = await good();
    await until('the keys are there', async () => (await call(bearer)).status === 200);
    await write('jwt.json', authentication({ issuer: 'https://other.example', jwks: jwks() }));
    await log.line(/revision 2 runs/);
    assert.deepEqual(await call(bearer), { status: 401, body: 'Jwt issuer is not configured' });
    source.answer = 503;
    await write('jwt.json', authentication({ issuer: ISSUER, jwksUri: `${source.url}/keys` }));
    await log.line(/answers with status 503; its tokens are refused/);
    assert.deepEqual(await call(bearer), { status: 401, body: 'Jwks remote fetch is failed' });
    source.answer = jwks(['p256']);
    await until('it is tried again', async () => (await call(bearer)).status === 200);
  });
});

suite('a source of keys', () => {
  interface Watched {
    readonly source: KeySource;
    /** Why fetches failed. */
    readonly failed: string[];
    /** Milliseconds until the next fetch, as of each schedule. */
    readonly waits: number[];
    /** Resolves when this many fetches have ended in all. */
    ended(count: number): Promise<void>;
    /** Lets so much time go by; a fetch that is due by then begins. */
    pass(ms: number): void;
  }

  function watch(t: TestContext, url: string, { timeoutMs = 10_000, kept = null as string | null } = {}): Watched {
    let count = 0;
    let ahead = 0;
    let due: { readonly at: number; readonly run: () => void } | null = null;
    const failed: string[] = [];
    const waits: number[] = [];
    const environment: KeySourceEnvironment = {
      allowPrivate: true,
      now: () => ahead,
      later(ms, run) {
        waits.push(Math.round(ms));
        due = { at: ahead + ms, run };
        return () => {
          due = null;
        };
      },
      random: () => 0.5,
      fetched: () => void count++,
      failed: (_, why) => {
        count++;
        failed.push(why);
      },
    };
    const source = new KeySource(url, timeoutMs, kept, environment);
    t.after(() => source.end());
    return {
      source,
      failed,
      waits,
      ended: (wanted) => until(`fetch ${wanted}`, () => count >= wanted),
      pass(ms) {
        ahead += ms;
        if (due === null || due.at > ahead) return;
        const { run } = due;
        due = null;
        run();
      },
    };
  }

  test('is fetched again every 20 minutes', async (t) => {
    const server = await issuer(t);
    const watched = watch(t, `${server.url}/keys`);
    await watched.ended(1);
    assert.deepEqual(watched.waits, [1_200_000]);
    server.answer = jwks(['rsa']);
    watched.pass(1_200_000);
    await watched.ended(2);
    assert.equal(watched.source.keys, jwks(['rsa']));
  });

  test('is asked once in half a minute for a key that it does not have, however many tokens name one', async (t) => {
    const server = await issuer(t);
    const watched = watch(t, `${server.url}/keys`);
    await watched.ended(1);
    for (let i = 0; i < 100; i++) watched.source.early();
    watched.pass(29_999);
    assert.equal(server.asked, 1);
    watched.pass(1);
    await watched.ended(2);
    for (let i = 0; i < 100; i++) watched.source.early();
    watched.pass(29_999);
    assert.equal(server.asked, 2);
    watched.pass(1);
    await watched.ended(3);
    assert.equal(server.asked, 3);
    assert.deepEqual(watched.waits, [1_200_000, 30_000, 1_200_000, 30_000, 1_200_000]);
  });

  for (const [what, answer, why] of [
    ['an error', 500, /keys answers with status 500$/],
    ['no JSON', '<html>', /keys is no key set: /],
    ['something else', '{"jwks":[]}', /keys is no key set: .*no list of keys$/],
    ['no key of use', '{"keys":[{"kty":"oct","k":"AAAA"}]}', /keys has no key that can verify a signature$/],
    ['more than a mebibyte', ' '.repeat((1 << 20) + 1), /keys answers with more than 1048576 bytes$/],
    ['nothing in time', null, /keys did not answer within \d+ ms$/],
  ] as const) {
    test(`that answers with ${what} changes nothing and is asked again soon`, async (t) => {
      const server = await issuer(t, answer);
      const kept = jwks(['ed25519']);
      const watched = watch(t, `${server.url}/keys?secret=1`, { kept, timeoutMs: answer === null ? 50 : 10_000 });
      await watched.ended(1);
      assert.match(watched.failed[0], why);
      assert.doesNotMatch(watched.failed[0], /secret/);
      assert.deepEqual(watched.waits, [1000]);
      assert.equal(watched.source.keys, kept);
      server.answer = jwks(['p256']);
      watched.pass(1000);
      await watched.ended(2);
      assert.equal(watched.source.keys, jwks(['p256']));
      assert.equal(watched.source.failures, 0);
    });
  }

  test('waits longer after each failure, at most a minute', async (t) => {
    const server = await issuer(t, 500);
    const watched = watch(t, `${server.url}/keys`);
    for (let i = 1; i <= 8; i++) {
      await watched.ended(i);
      watched.pass(60_000);
    }
    assert.deepEqual(watched.waits.slice(0, 8), [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });

  test('that publishes no place of its keys says so', async (t) => {
    const server = await issuer(t, '{"issuer":"https://a.com"}');
    const watched = watch(t, `${server.url}/tenant/.well-known/openid-configuration`);
    await watched.ended(1);
    assert.match(watched.failed[0], /openid-configuration names no jwks_uri$/);
  });
});
