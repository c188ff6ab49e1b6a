// Two sidecars of which one has a certificate of another trust domain, below the same root: a mesh on its way from one to the other.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import { exchangeBytes, type RunningDataPlane } from './data-plane.ts';
import type { TestAuthority } from './identities.ts';
import { destinationRule, peerAuthentication, workload } from './mtls-rules.ts';
import { type SidecarPair, startSidecarPair } from './sidecar-pair.ts';

const CALLER = '127.43.9.1';
const SERVER = '127.43.9.2';

let pair: SidecarPair;
let authority: TestAuthority;
let caller: RunningDataPlane;
let server: RunningDataPlane;

before(async () => {
  pair = await startSidecarPair('127.43.9', (_, response) => response.end('details'));
  ({ authority, caller, server } = pair);
  for (const { told } of [server, caller]) told(pair.endpoints());
});
after(() => pair.close());

beforeEach(async () => {
  for (const { unconfigure } of [server, caller]) unconfigure();
  server.apply(peerAuthentication('STRICT'));
  server.plane.setIdentity(await authority.identity('bookinfo-details'));
  caller.plane.setIdentity(await authority.identity('bookinfo-productpage'));
});

const aliases = (...names: readonly string[]) => `
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: default }
spec: { trustDomainAliases: ${JSON.stringify(names)} }`;

async function status(): Promise<string> {
  const wire = 'GET / HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n';
  return (await exchangeBytes(caller.ports.outbound, wire, undefined, CALLER)).slice(9, 12);
}

test('who answers may be of an alias of its trust domain, from when it is one until it is none', async () => {
  server.plane.setIdentity(await authority.identity('bookinfo-details', { trustDomain: 'old-td' }));
  assert.equal(await status(), '503');
  const { flags, details } = caller.records.at(-1)!;
  assert.equal(flagNames(flags), 'UF,URX');
  assert.match(details, /CERTIFICATE_VERIFY_FAILED:\S+spiffe:\/\/old-td\/ns\/default\/sa\/bookinfo-details_answers/);
  caller.apply(aliases('older-td', 'old-td'));
  assert.equal(await status(), '200');
  // Also not by the connection that is open.
  caller.apply(aliases('older-td'));
  assert.equal(await status(), '503');
});

test('of an alias, too, it has to be the account that the registry has there', async () => {
  caller.apply(aliases('old-td'));
  for (const [account, namespace] of [
    ['bookinfo-reviews', 'default'],
    ['bookinfo-details', 'other'],
  ]) {
    server.plane.setIdentity(await authority.identity(account, { trustDomain: 'old-td', namespace }));
    assert.equal(await status(), '503', `${namespace}/${account}`);
  }
});

test('whom a rule names is whom it names, and in no other trust domain', async () => {
  const named = 'spiffe://cluster.local/ns/default/sa/bookinfo-details';
  caller.apply(aliases('old-td'), destinationRule(`{ mode: ISTIO_MUTUAL, subjectAltNames: ["${named}"] }`));
  assert.equal(await status(), '200');
  server.plane.setIdentity(await authority.identity('bookinfo-details', { trustDomain: 'old-td' }));
  // Connections of before have proven who is there.
  for (const { told } of [caller]) {
    told([]);
    told([workload('details', SERVER, server.ports.inbound, ['details'])]);
  }
  assert.equal(await status(), '503');
});

test('a caller of an alias is who the policies of its account mean', async () => {
  server.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: callers }
spec: { rules: [{ from: [{ source: { principals: [cluster.local/ns/default/sa/bookinfo-productpage] } }] }] }`);
  assert.equal(await status(), '200');
  caller.plane.setIdentity(await authority.identity('bookinfo-productpage', { trustDomain: 'old-td' }));
  caller.told([]);
  caller.told([workload('details', SERVER, server.ports.inbound, ['details'])]);
  assert.equal(await status(), '403');
  server.apply(aliases('old-td'));
  assert.equal(await status(), '200');
  assert.equal(server.records.at(-1)?.principal, 'old-td/ns/default/sa/bookinfo-productpage');
});
