import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { ISSUER, KEYS, token } from '../filters/tokens.ts';
import { exchangeBytes, type RunningDataPlane, startApp, startDataPlane } from './data-plane.ts';

const HOUR_S = 3600;

let server: RunningDataPlane;
let seen: Record<string, string | string[] | undefined> = {};
let seenPath: string | undefined;
let good: string;
let expired: string;
const closers: (() => unknown)[] = [];

before(async () => {
  const now = Math.floor(Date.now() / 1000);
  good = await token({ exp: now + HOUR_S, groups: ['readers'] }, 'RS256');
  expired = await token({ exp: now - HOUR_S }, 'RS256');
  const app = await startApp((request, response) => {
    seen = request.headers;
    seenPath = request.url;
    response.end('details');
  });
  closers.push(app.close);
  server = await startDataPlane({ labels: { app: 'details' }, appPort: app.port });
  closers.push(server.close);
});

after(async () => {
  for (const close of closers) await close();
});

beforeEach(() => {
  server.unconfigure();
  seen = {};
});

function apply(kind: string, spec: object): void {
  const metadata = { name: 'details', namespace: 'default' };
  server.apply(JSON.stringify({ apiVersion: 'security.istio.io/v1', kind, metadata, spec }));
}

function authenticate(rule: object = {}): void {
  apply('RequestAuthentication', {
    selector: { matchLabels: { app: 'details' } },
    jwtRules: [{ issuer: ISSUER, jwks: KEYS, ...rule }],
  });
}

async function call(headers: readonly string[] = [], path = '/details/0'): Promise<{ status: number; text: string }> {
  const lines = ['Host: details', 'Connection: close', ...headers];
  const text = await exchangeBytes(server.ports.inbound, `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  return { status: Number(text.slice(9, 12)), text };
}

test('without a policy a token is what any header is', async () => {
  assert.equal((await call(['Authorization: Bearer nonsense'])).status, 200);
  assert.equal(seen.authorization, 'Bearer nonsense');
});

test('a token that holds passes and is not handed on, its claims are', async () => {
  authenticate({
    outputPayloadToHeader: 'x-payload',
    outputClaimToHeaders: [{ header: 'x-sub', claim: 'sub' }],
  });
  assert.equal((await call([`Authorization: Bearer ${good}`, 'X-Sub: forged'])).status, 200);
  assert.equal(seen.authorization, undefined);
  assert.equal(seen['x-sub'], 'jason');
  assert.equal(seen['x-payload'], good.split('.')[1]);
  assert.equal((await call([], `/details/0?access_token=${good}&a=1`)).status, 200);
  assert.equal(seenPath, '/details/0?a=1');
});

test('no token passes, a bad one does not reach the application, and the log says why', async () => {
  authenticate();
  assert.equal((await call(['X-Sub: forged'])).status, 200);
  seen = {};
  const count = server.records.length;
  const { status, text } = await call([`Authorization: Bearer ${expired}`]);
  assert.equal(status, 401);
  assert.match(text, /\r\nwww-authenticate: Bearer realm="http:\/\/details\/details\/0", error="invalid_token"\r\n/i);
  assert.match(text, /\r\n\r\nJwt is expired$/);
  assert.deepEqual(seen, {});
  await server.ended(count + 1);
  assert.equal(server.records[count].details, 'jwt_authn_access_denied{Jwt_is_expired}');
});

test('policies ask for a principal and for claims that only a verified token has', async () => {
  authenticate();
  apply('AuthorizationPolicy', {
    rules: [
      {
        from: [{ source: { requestPrincipals: [`${ISSUER}/*`] } }],
        when: [{ key: 'request.auth.claims[groups]', values: ['readers'] }],
      },
    ],
  });
  assert.equal((await call([`Authorization: Bearer ${good}`])).status, 200);
  const without = await call();
  assert.equal(without.status, 403);
  assert.match(without.text, /RBAC: access denied$/);
  const unverified = `${good.slice(0, -8)}AAAAAAAA`;
  assert.equal((await call([`Authorization: Bearer ${unverified}`])).status, 401);
  const [, payload] = good.split('.');
  assert.equal((await call([`X-Payload: ${payload}`, `X-Jwt-Payload: ${payload}`])).status, 403);
});

test('keys that are replaced are not believed any more', async () => {
  authenticate();
  assert.equal((await call([`Authorization: Bearer ${good}`])).status, 200);
  authenticate({ jwks: '{"keys":[]}' });
  const { status, text } = await call([`Authorization: Bearer ${good}`]);
  assert.equal(status, 401);
  assert.match(text, /Jwks doesn't have any valid public key$/);
});

test('a rule without an issuer takes tokens of any that its keys vouch for', async () => {
  apply('RequestAuthentication', { selector: { matchLabels: { app: 'details' } }, jwtRules: [{ jwks: KEYS }] });
  const exp = Math.floor(Date.now() / 1000) + HOUR_S;
  const other = await token({ exp, iss: 'https://another.test' }, 'RS256');
  for (const bearer of [good, other]) assert.equal((await call([`Authorization: Bearer ${bearer}`])).status, 200);
  assert.equal((await call([`Authorization: Bearer ${expired}`])).status, 401);
  assert.equal((await call([`Authorization: Bearer ${good.slice(0, -4)}AAAA`])).status, 401);
});
