import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers) await close();
});

const POLICY = `
apiVersion: weft.dev/v1
kind: RateLimitPolicy
metadata: {name: some}
spec:
  limits:
  - {name: users, requests: 1, per: 1h, by: [{header: x-user}]}
`;

async function app(): Promise<number> {
  const { port, close } = await startApp((_request, response) => response.end('ok'));
  closers.push(close);
  return port;
}

function get(port: number, user: string, host = 'reviews'): Promise<string> {
  return exchangeBytes(port, `GET / HTTP/1.1\r\nHost: ${host}\r\nX-User: ${user}\r\nConnection: close\r\n\r\n`);
}

async function refusedOnce({ ended, records }: RunningDataPlane, port: number, host?: string): Promise<void> {
  assert.match(await get(port, 'ann', host), /^HTTP\/1\.1 200 /);
  const refused = await get(port, 'ann', host);
  assert.match(refused, /^HTTP\/1\.1 429 Too Many Requests\r\n/);
  assert.match(refused, /\r\nx-envoy-ratelimited: true\r\n/);
  assert.match(
    refused,
    /\r\nx-ratelimit-limit: 1\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: (3\d{3})\r\nretry-after: \1\r\n/,
  );
  assert.match(refused, /\r\n\r\nlocal_rate_limited$/);
  assert.match(await get(port, 'bob', host), /^HTTP\/1\.1 200 /);
  await ended(3);
  const [record] = records.filter(({ code }) => code === 429);
  assert.equal(record.details, 'local_rate_limited');
  assert.equal(flagNames(record.flags), 'RL');
}

test('a workload’s limit refuses what is too much before it reaches the application', async () => {
  const plane = await startDataPlane({ appPort: await app(), yaml: [POLICY] });
  closers.push(plane.close);
  await refusedOnce(plane, plane.ports.inbound);
});

test('a gateway’s limit refuses what is too much before it is routed', async () => {
  const plane = await startDataPlane({
    role: 'gateway',
    yaml: [
      POLICY,
      serviceEntry('reviews.example', await app()),
      `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec: {hosts: ['*'], gateways: [g], http: [{route: [{destination: {host: reviews.example}}]}]}
`,
    ],
  });
  closers.push(plane.close);
  await refusedOnce(plane, plane.ports.gateway, 'a.example');
});

test('a limit that is lifted lets everything pass, and one that is put back has forgotten nothing', async () => {
  const plane = await startDataPlane({ appPort: await app(), yaml: [POLICY] });
  closers.push(plane.close);
  const status = async (): Promise<string> => (await get(plane.ports.inbound, 'ann')).slice(9, 12);
  assert.deepEqual([await status(), await status()], ['200', '429']);
  plane.unconfigure();
  assert.deepEqual([await status(), await status()], ['200', '200']);
  plane.apply(POLICY);
  assert.equal(await status(), '429');
});

test('a changed expression takes effect, though nothing else has changed', async () => {
  const policy = (regex: string): string =>
    POLICY.replace('by: [{header: x-user}]', `match: {path: {regex: '${regex}'}}`).replace('some', 'by-path');
  const plane = await startDataPlane({ appPort: await app(), yaml: [policy('/other')] });
  closers.push(plane.close);
  const status = async (): Promise<string> => (await get(plane.ports.inbound, 'ann')).slice(9, 12);
  assert.deepEqual([await status(), await status()], ['200', '200']);
  plane.apply(policy('/'));
  assert.deepEqual([await status(), await status()], ['200', '429']);
});

test('answers that pass tell what is left, where the policy wants it', async () => {
  const yaml = [
    POLICY.replace('requests: 1,', 'requests: 3,').replace(
      'spec:',
      'spec:\n  enableXRatelimitHeaders: DRAFT_VERSION_03',
    ),
  ];
  const plane = await startDataPlane({ appPort: await app(), yaml });
  closers.push(plane.close);
  const left = async (user: string): Promise<string | undefined> =>
    /^x-ratelimit-limit: 3\r\nx-ratelimit-remaining: (\d)\r\nx-ratelimit-reset: 0\r$/m.exec(
      await get(plane.ports.inbound, user),
    )?.[1];
  assert.deepEqual([await left('eve'), await left('eve'), await left('dan')], ['2', '1', '2']);
});

test('a limit for a path counts however the path is written, by the request and by the limit', async () => {
  for (const match of ['exact: /a/../x%2fy', 'prefix: /x%2fy']) {
    const limit = `{name: one, requests: 1, per: 1h, match: {path: {${match}}}}`;
    const plane = await startDataPlane({
      appPort: await app(),
      yaml: [`apiVersion: weft.dev/v1\nkind: RateLimitPolicy\nmetadata: {name: some}\nspec: {limits: [${limit}]}\n`],
    });
    closers.push(plane.close);
    const ask = (path: string): Promise<string> =>
      exchangeBytes(plane.ports.inbound, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    assert.match(await ask('/x%2Fy'), /^HTTP\/1\.1 200 /, match);
    assert.match(await ask('/%78%2fy'), /^HTTP\/1\.1 429 /, match);
  }
});
