import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import { atOnce } from '../../core/steps.ts';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';

const closers: (() => unknown)[] = [];
let plane: RunningDataPlane;
let seen: IncomingHttpHeaders = {};
let services: string[] = [];

before(async () => {
  const app = await startApp((request, response) => {
    seen = request.headers;
    response.setHeader('x-secret', '1');
    response.end('ok');
  });
  closers.push(app.close);
  services = [
    serviceEntry('app.example', app.port),
    `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app.example]
  http:
  - {name: plain, match: [{uri: {prefix: /plain}}], route: [{destination: {host: app.example}}]}
  - {name: other, match: [{uri: {prefix: /other}}], route: [{destination: {host: app.example}}]}
  - {name: rest, route: [{destination: {host: app.example}}]}
`,
  ];
  plane = await startDataPlane({ appPort: app.port });
  closers.push(plane.close);
});

after(async () => {
  for (const close of closers) await close();
});

beforeEach(() => {
  plane.unconfigure();
  seen = {};
});

function apply(spec: string): void {
  plane.apply(...services, `apiVersion: weft.dev/v1\nkind: FilterChain\nmetadata: {name: c}\nspec: ${spec}\n`);
}

function get(port: number, path: string, ...fields: string[]): Promise<string> {
  return exchangeBytes(
    port,
    [`GET ${path} HTTP/1.1`, 'Host: app.example', ...fields, 'Connection: close', '', ''].join('\r\n'),
  );
}

test('a FilterChain changes headers of what leaves, for one route otherwise, for another not', async () => {
  const config = (team: string): string => `{request: {set: {x-team: ${team}}}, response: {remove: [x-secret]}}`;
  apply(`{direction: outbound, insert: [{filter: headers, before: fault, config: ${config('blue')}}],
    routes: [{route: plain, filter: headers, disable: true}, {route: other, filter: headers, config: ${config('red')}}]}`);
  const { outbound } = plane.ports;
  assert.doesNotMatch(await get(outbound, '/', 'X-Team: forged'), /x-secret/i);
  assert.equal(seen['x-team'], 'blue');
  await get(outbound, '/other');
  assert.equal(seen['x-team'], 'red');
  assert.match(await get(outbound, '/plain', 'X-Team: own'), /x-secret: 1/i);
  assert.equal(seen['x-team'], 'own');
});

test('two places of one chain have filters of their own', async () => {
  apply(`{insert: [
    {filter: headers, before: authn, config: {request: {add: {x-a: '1'}}}},
    {filter: headers, after: rbac, config: {request: {add: {x-a: '2'}}}}]}`);
  await get(plane.ports.inbound, '/');
  assert.equal(seen['x-a'], '1, 2');
});

test('requests bring faults where a FilterChain lets them, and nowhere else', async () => {
  const { inbound, outbound } = plane.ports;
  const abort = 'x-envoy-fault-abort-request: 418';
  apply('{insert: [{filter: fault, after: rbac, config: {abort: {header: true}, delay: {header: true}}}]}');
  const before = plane.records.length;
  assert.match(
    await get(inbound, '/', abort, 'x-envoy-fault-delay-request: 30'),
    /^HTTP\/1\.1 418 [\s\S]*fault filter abort$/,
  );
  await plane.ended(before + 1);
  assert.equal(flagNames(plane.records[before].flags), 'DI,FI');
  assert.equal(plane.records[before].details, 'fault_filter_abort');
  assert.match(await get(inbound, '/'), /^HTTP\/1\.1 200 /);
  assert.match(await get(outbound, '/', abort), /^HTTP\/1\.1 200 /);
});

test('what is wrong with a built-in filter’s configuration refuses the revision, and says where', () => {
  const chain = {
    apiVersion: 'weft.dev/v1',
    kind: 'FilterChain',
    metadata: { name: 'c', namespace: 'default' },
    spec: { insert: [{ filter: 'fault', after: 'rbac', config: { abort: { httpStatus: 42 } } }] },
  };
  const { ok, problems } = atOnce(plane.plane.applyConfig({ revision: 9, full: true, upserts: [chain], removals: [] }));
  assert.equal(ok, false);
  assert.deepEqual(
    problems.map(({ resource, pointer }) => [resource, pointer]),
    [['FilterChain/default/c', '/spec/insert/0/config']],
  );
  assert.match(problems[0].message, /^fault: \/abort\/httpStatus: [^\n]*200/);
});
