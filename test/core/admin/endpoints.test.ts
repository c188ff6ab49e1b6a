import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { startAdmin } from '../../../core/admin/server.ts';
import { CLUSTER, FakeProxy, ROUTE, startRig } from './harness.ts';

describe('reading', () => {
  it('/ready is 200 LIVE, or 503 with the state and the reason', async (t) => {
    const { proxy, get } = await startRig(t);
    assert.deepEqual([(await get('/ready')).status, (await get('/ready')).body], [200, 'LIVE\n']);
    proxy.now = { state: 'PRE_INITIALIZING', reason: 'no configuration yet' };
    const early = await get('/ready');
    assert.deepEqual([early.status, early.body], [503, 'PRE_INITIALIZING: no configuration yet\n']);
    proxy.now = { state: 'DRAINING', reason: '' };
    const late = await get('/ready');
    assert.deepEqual([late.status, late.body], [503, 'DRAINING\n']);
  });

  it('/listeners is a line each, or JSON, with the connections of all shards', async (t) => {
    const { get } = await startRig(t);
    assert.equal((await get('/listeners')).body, 'outbound::127.0.0.1:15001\n');
    const { headers, body } = await get('/listeners?format=json');
    assert.equal(headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(body), {
      listener_statuses: [
        {
          name: 'outbound',
          local_address: { socket_address: { address: '127.0.0.1', port_value: 15001 } },
          active_connections: 4,
        },
      ],
    });
  });

  it('/clusters is a fact a line, or JSON, with the counts of all shards', async (t) => {
    const { get } = await startRig(t);
    const { body } = await get('/clusters');
    assert.equal(
      body,
      [
        `${CLUSTER}::observability_name::${CLUSTER}`,
        `${CLUSTER}::added_via_api::true`,
        `${CLUSTER}::rq_active::2`,
        `${CLUSTER}::rq_total::15`,
        `${CLUSTER}::rq_overflow::0`,
        `${CLUSTER}::rq_retry::0`,
        `${CLUSTER}::rq_retry_overflow::0`,
        `${CLUSTER}::rq_retry_limit_exceeded::0`,
        `${CLUSTER}::127.1.0.2:9080::cx_active::4`,
        `${CLUSTER}::127.1.0.2:9080::rq_active::2`,
        `${CLUSTER}::127.1.0.2:9080::rq_error::2`,
        `${CLUSTER}::127.1.0.2:9080::rq_total::15`,
        `${CLUSTER}::127.1.0.2:9080::hostname::reviews-v1-1`,
        `${CLUSTER}::127.1.0.2:9080::health_flags::healthy`,
        '',
      ].join('\n'),
    );
    const json = JSON.parse((await get('/clusters?format=json')).body);
    const [status] = json.cluster_statuses;
    assert.equal(status.name, CLUSTER);
    assert.deepEqual(status.host_statuses[0].address, {
      socket_address: { address: '127.1.0.2', port_value: 9080 },
    });
    assert.deepEqual(status.host_statuses[0].health_status, { eds_health_status: 'HEALTHY' });
    assert.deepEqual(status.host_statuses[0].stats.at(-1), { name: 'rq_total', type: 'COUNTER', value: '15' });
  });

  it('/routes, /endpoints and /filters are rows', async (t) => {
    const { get } = await startRig(t);
    assert.deepEqual(JSON.parse((await get('/routes')).body), [ROUTE]);
    const [endpoint, ...others] = JSON.parse((await get('/endpoints')).body);
    assert.deepEqual(others, []);
    assert.equal(endpoint.requests, 15);
    assert.equal(JSON.parse((await get('/filters')).body)[0].name, 'login');
  });

  it('/config_dump is everything under its revision, or one resource of it', async (t) => {
    const { get } = await startRig(t);
    const all = JSON.parse((await get('/config_dump')).body);
    assert.equal(all.revision, 4);
    assert.equal(all.version, '0.1.0');
    assert.equal(all.node.name, 'productpage-v1-1');
    assert.deepEqual(all.routes, [ROUTE]);
    for (const kind of ['listeners', 'clusters', 'endpoints', 'filters', 'secrets'])
      assert.equal(all[kind].length, 1, kind);
    const one = JSON.parse((await get('/config_dump?resource=routes')).body);
    assert.deepEqual(one.routes, [ROUTE]);
    assert.equal(one.clusters, undefined);
    assert.equal(one.secrets, undefined);
    const { secrets } = JSON.parse((await get('/config_dump?resource=secrets')).body);
    assert.equal(secrets[0].identity, 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage');
    const none = await get('/config_dump?resource=snapshots');
    assert.equal(none.status, 400);
    assert.match(none.body, /there is no resource "snapshots": ask for one of listeners, routes/);
  });

  it('never shows what stands under the name of a secret', async (t) => {
    const { get } = await startRig(t);
    const bodies = await Promise.all(
      ['/config_dump', '/filters', '/server_info'].map(async (path) => (await get(path)).body),
    );
    for (const body of bodies) assert.doesNotMatch(body, /hunter\d/);
    assert.deepEqual(JSON.parse(bodies[1])[0].configuration, {
      clientSecret: '[redacted]',
      tokens: 3,
      keys: [{ api_key: '[redacted]' }],
    });
  });

  it('/server_info says version, state, age and who it is', async (t) => {
    const { get } = await startRig(t);
    const info = JSON.parse((await get('/server_info')).body);
    assert.equal(info.version, '0.1.0');
    assert.equal(info.state, 'LIVE');
    assert.match(info.uptime_current_epoch, /^6\ds$/);
    assert.equal(info.node.id, 'sidecar~127.1.0.1~productpage-v1-1.default~default.svc.cluster.local');
    assert.equal(info.node.cluster, 'productpage.default');
    assert.deepEqual(info.node.metadata.LABELS, { app: 'productpage', version: 'v1' });
    assert.equal(info.config_revision, 4);
    assert.equal(info.shards, 2);
  });

  it('/stats/prometheus is the exposition as it is', async (t) => {
    const { proxy, get } = await startRig(t);
    for (const path of ['/stats/prometheus', '/stats?format=prometheus']) {
      const { headers, body } = await get(path);
      assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
      assert.equal(body, proxy.figures);
    }
  });

  it('/stats is a figure a line, filtered by an expression that cannot be made slow', async (t) => {
    const { get } = await startRig(t);
    assert.equal((await get('/stats')).body, 'a_total{x="1 2"}: 3\nb: 0\nh_sum: 2\nh_count: 1\n');
    assert.equal((await get('/stats?usedonly&filter=%5E%5Bab%5D')).body, 'a_total{x="1 2"}: 3\n');
    assert.deepEqual(JSON.parse((await get('/stats?format=json&filter=h_')).body), {
      stats: [
        { name: 'h_sum', value: 2 },
        { name: 'h_count', value: 1 },
      ],
    });
    assert.equal((await get('/stats?format=xml')).status, 400);
    const bad = await get('/stats?filter=(?=a)');
    assert.equal(bad.status, 400);
    assert.match(bad.body, /^filter: /);
  });

  it("/memory gives the process' figures", async (t) => {
    const { get } = await startRig(t);
    const memory = JSON.parse((await get('/memory')).body);
    assert.ok(Number(memory.allocated) > 0 && Number(memory.total_physical_bytes) >= Number(memory.allocated));
  });

  it('/help and the page at / list everything, and so does what is not there', async (t) => {
    const { proxy, get } = await startRig(t);
    const help = await get('/help');
    const page = await get('/');
    const missing = await get('/certs/../nothing?x=1');
    assert.equal(missing.status, 404);
    for (const path of ['/ready', '/config_dump', '/clusters', '/listeners', '/routes', '/endpoints', '/filters']) {
      for (const { body } of [help, missing]) assert.match(body, new RegExp(`^  ${path} `, 'm'));
      assert.match(page.body, new RegExp(`<a href="${path}">`));
    }
    assert.match(page.body, /<form method="post" action="\/quitquitquit">/);
    assert.match(String(page.headers['content-security-policy']), /default-src 'none'/);
    assert.equal((await get('/ready/')).status, 404);
    proxy.now = { state: 'LIVE', reason: '' };
    assert.match(page.body, /<h1>sidecar~127\.1\.0\.1~productpage/);
  });

  it('answers HEAD without a body', async (t) => {
    const { ask } = await startRig(t);
    const { status, headers, body } = await ask('HEAD', '/ready');
    assert.deepEqual([status, headers['content-length'], body], [200, '5', '']);
  });

  it('says 503 when no shard answers, and what failed when something does', async (t) => {
    const { proxy, get } = await startRig(t);
    proxy.dumps.routes = [];
    const unanswered = await get('/routes');
    assert.deepEqual([unanswered.status, unanswered.body], [503, 'no shard answers\n']);
    proxy.prometheus = async () => {
      throw new Error('out of order');
    };
    const failed = await get('/stats/prometheus');
    assert.deepEqual([failed.status, failed.body], [500, 'out of order\n']);
  });
});

describe('changing', () => {
  it('/logging shows the level and sets it', async (t) => {
    const { proxy, ask } = await startRig(t);
    assert.equal((await ask('POST', '/logging')).body, 'level: info\n');
    assert.equal((await ask('POST', '/logging?level=debug')).body, 'level: debug\n');
    assert.equal(proxy.level, 'debug');
    assert.equal((await ask('POST', '/logging?level=warn')).body, 'level: warning\n');
    for (const query of ['level=loud', 'level=', 'paths=a:debug']) {
      assert.equal((await ask('POST', `/logging?${query}`)).status, 400, query);
    }
    assert.equal(proxy.level, 'warning');
  });

  it('/healthcheck fails and mends the readiness check', async (t) => {
    const { proxy, ask } = await startRig(t);
    assert.equal((await ask('POST', '/healthcheck/fail')).body, 'OK\n');
    assert.equal((await ask('POST', '/healthcheck/ok')).body, 'OK\n');
    assert.deepEqual(proxy.calls, ['fail', 'ok']);
  });

  it('/drain_listeners and /quitquitquit answer first and act then', async (t) => {
    for (const [path, method] of [
      ['/drain_listeners', 'drain'],
      ['/quitquitquit', 'quit'],
    ] as const) {
      const { proxy, admin, ask } = await startRig(t);
      const acted = new Promise<void>((resolve) => {
        // As a proxy that ends: nobody would get an answer any more.
        proxy[method] = () => void admin.close().then(resolve);
      });
      const { status, body } = await ask('POST', path);
      assert.deepEqual([status, body], [200, 'OK\n']);
      await acted;
    }
  });

  it('is done by POST alone, and reading by GET alone', async (t) => {
    const { proxy, ask } = await startRig(t);
    for (const path of [
      '/drain_listeners',
      '/quitquitquit',
      '/healthcheck/fail',
      '/healthcheck/ok',
      '/logging?level=debug',
    ]) {
      for (const method of ['GET', 'HEAD', 'PUT']) {
        const { status, headers } = await ask(method, path);
        assert.deepEqual([status, headers.allow], [405, 'POST'], `${method} ${path}`);
      }
    }
    const { status, headers } = await ask('POST', '/config_dump');
    assert.deepEqual([status, headers.allow], [405, 'GET, HEAD']);
    assert.deepEqual(proxy.calls, []);
    assert.equal(proxy.level, 'info');
  });

  it('refuses a body that is larger than any that makes sense, and does nothing', async (t) => {
    const { proxy, ask } = await startRig(t);
    assert.equal((await ask('POST', '/healthcheck/fail', {}, 'x'.repeat(1000))).status, 200);
    const { status, headers } = await ask('POST', '/healthcheck/fail', {}, 'x'.repeat(20_000));
    assert.deepEqual([status, headers.connection], [413, 'close']);
    assert.deepEqual(proxy.calls, ['fail']);
  });
});

describe('the address', () => {
  it('that is in use is an error at the start', async (t) => {
    const other = createServer().listen(0, '127.0.0.1');
    t.after(() => other.close());
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await assert.rejects(startAdmin({ address: '127.0.0.1', port, host: new FakeProxy() }), /EADDRINUSE/);
  });

  it('is told as a URL, IPv6 in brackets', async (t) => {
    const { admin } = await startRig(t);
    assert.match(admin.url, /^http:\/\/127\.0\.0\.1:\d+$/);
    const six = await startAdmin({ address: '::1', port: 0, host: new FakeProxy() }).catch((error: Error) => error);
    if (six instanceof Error) {
      t.diagnostic('this machine has no IPv6');
      assert.match(six.message, /EADDRNOTAVAIL|EAFNOSUPPORT/);
      return;
    }
    assert.match(six.url, /^http:\/\/\[::1\]:\d+$/);
    await six.close();
  });
});
