// Routes by claims of verified tokens, at a gateway.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { decodeYaml } from '../../core/config/decode.ts';
import { ISSUER, KEYS, token } from '../filters/tokens.ts';
import { exchangeBytes, type RunningDataPlane, startDataPlane } from './data-plane.ts';

let mesh: RunningDataPlane;
const closers: (() => unknown)[] = [];
const exp = Math.floor(Date.now() / 1000) + 3600;

before(async () => {
  mesh = await startDataPlane({
    role: 'gateway',
    yaml: [
      `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}]}
`,
      JSON.stringify({
        apiVersion: 'security.istio.io/v1',
        kind: 'RequestAuthentication',
        metadata: { name: 'jwt' },
        spec: { jwtRules: [{ issuer: ISSUER, jwks: KEYS }] },
      }),
    ],
  });
  closers.push(mesh.close);
});

after(async () => {
  for (const close of closers) await close();
});

const rules = (http: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec: {hosts: [shop.example], gateways: [edge], http: [${http}]}
`;

const route = (match: string, status: number, more = ''): string =>
  `{match: [{${match}}], ${more}directResponse: {status: ${status}}}`;

async function ask(bearer: string): Promise<number> {
  const authorization = bearer === '' ? '' : `Authorization: Bearer ${bearer}\r\n`;
  const head = `GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n${authorization}\r\n`;
  return Number((await exchangeBytes(mesh.ports.gateway, head)).slice(9, 12));
}

test('a claim leads to a route when the token is verified, and nowhere else without one', async () => {
  mesh.apply(
    rules(
      [
        route("headers: {'@request.auth.claims.groups': {exact: admins}}", 201),
        route("headers: {'@request.auth.claims[a][b]': {prefix: x}}", 202),
        route("headers: {'@request.auth.claims.a.c': {regex: '[0-9]+'}}", 203),
        route("headers: {'@request.auth.claims.scope': {exact: write}}", 204),
      ].join(', '),
    ),
  );
  assert.equal(await ask(''), 404);
  assert.equal(await ask('nonsense'), 401);
  for (const [claims, status] of [
    [{ groups: ['readers', 'admins'] }, 201],
    [{ groups: 'admins' }, 201],
    [{ groups: ['readers'] }, 404],
    [{ a: { b: 'xyz' } }, 202],
    [{ a: { b: 'y', c: '12' } }, 203],
    [{ scope: 'read write' }, 204],
  ] as const) {
    assert.equal(await ask(await token({ exp, ...claims }, 'RS256')), status, JSON.stringify(claims));
  }
});

test('a route for requests without the claim takes them before a token is known, and leaves them when it has the claim', async () => {
  mesh.apply(
    rules(
      [
        route("withoutHeaders: {'@request.auth.claims.groups': {exact: admins}}", 203),
        route("headers: {'@request.auth.claims.groups': {exact: admins}}", 201),
      ].join(', '),
    ),
  );
  assert.equal(await ask(''), 203);
  assert.equal(await ask(await token({ exp, groups: ['admins'] }, 'RS256')), 201);
});

test('filters of the route that a claim leads to are passed, and those of another are not', async () => {
  const aborting = (match: string, status: number): string =>
    `{match: [{${match}}], fault: {abort: {httpStatus: ${status}, percentage: {value: 100}}}, route: [{destination: {host: gone}}]}`;
  mesh.apply(
    rules(
      [
        aborting("headers: {'@request.auth.claims.groups': {exact: admins}}", 418),
        route("headers: {'@request.auth.claims.groups': {exact: readers}}", 201),
        aborting('uri: {prefix: /}', 423),
      ].join(', '),
    ),
  );
  assert.equal(await ask(''), 423);
  assert.equal(await ask(await token({ exp, groups: ['admins'] }, 'RS256')), 418);
  assert.equal(await ask(await token({ exp, groups: ['readers'] }, 'RS256')), 201);
});

test('claims are for gateways: on the mesh gateway they are refused, and so is what is no claim', () => {
  const refused = (text: string): string[] => decodeYaml(text).problems.map(({ pointer = '' }) => pointer);
  const match = "match: [{headers: {'@request.auth.claims.groups': {exact: a}}}]";
  const rule = (gateways: string): string =>
    rules(`{${match}, directResponse: {status: 200}}`).replace('gateways: [edge]', gateways);
  const at = '/spec/http/0/match/0/headers/@request.auth.claims.groups';
  assert.deepEqual(refused(rule('gateways: [edge]')), []);
  assert.deepEqual(refused(rule('gateways: [edge, mesh]')), [at]);
  assert.deepEqual(refused(rule('gateways: []')), [at]);
  for (const name of [
    '@request.auth.claims',
    '@request.auth.claims.',
    '@request.auth.claims[a',
    '@request.auth.principal',
  ]) {
    assert.equal(refused(rules(route(`headers: {'${name}': {exact: a}}`, 200))).length, 1, name);
  }
});
