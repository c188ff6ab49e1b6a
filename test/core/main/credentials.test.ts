// Keys and certificates in files: what a Gateway names is there before it is configured, and followed as it changes.

import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decodeYaml } from '../../../core/config/decode.ts';
import { PemFiles } from '../../../core/config/pem-files.ts';
import { Credentials } from '../../../core/main/credentials.ts';
import type { ToShard } from '../../../core/shard/protocol.ts';
import type { Node } from '../../../core/workload.ts';
import { type WebAuthority, webAuthority } from '../../web-certificates.ts';

let dir: string;
let authority: WebAuthority;
let told: string[] = [];
let posted: ToShard[] = [];
let arrived = Promise.withResolvers<void>();
const expiries = new Map<string, () => number>();
let credentials: Credentials;

const node = { role: 'gateway', namespace: 'default', labels: {} } as unknown as Node;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weft-credentials-'));
  authority = await webAuthority();
  const happened = (): void => {
    arrived.resolve();
    arrived = Promise.withResolvers();
  };
  credentials = new Credentials({
    stateDir: null,
    node,
    log: (level, _, message) => {
      told.push(`${level} ${message}`);
      happened();
    },
    post: (message) => posted.push(message),
    expiry: (name, seconds) => expiries.set(name, seconds),
  });
});

after(async () => {
  credentials.close();
  await rm(dir, { recursive: true, force: true });
});

const path = (name: string): string => join(dir, name);

/** As whoever renews them should. */
async function write(name: string, text: string): Promise<void> {
  await writeFile(path(`${name}.new`), text);
  await rename(path(`${name}.new`), path(name));
}

async function issue(): Promise<string> {
  const { cert, key } = await authority.issue(['a.test']);
  await write('key', key);
  await write('cert', cert);
  return cert;
}

const prepare = (tls: string) => {
  const { resources } = decodeYaml(`
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {}
  servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {${tls}}}]
`);
  return credentials.prepare(resources);
};
const simple = () => prepare(`mode: SIMPLE, serverCertificate: ${path('cert')}, privateKey: ${path('key')}`);

test('what is named and not there is a warning', async () => {
  const [problem, ...others] = await simple();
  assert.deepEqual(others, []);
  assert.match(
    problem.message,
    /^file-cert:.*cert~.*key is not there: Gateway default\/edge, server 0 takes no handshake/,
  );
  assert.match(told.join('\n'), /warning file-cert:.* cannot be used: .* cannot be read: it does not exist/);
});

test('what is no file is not read', async () => {
  told = [];
  await prepare('mode: SIMPLE, serverCertificate: /dev/null, privateKey: /dev/null');
  assert.match(told.join('\n'), /warning file-cert:.* cannot be used: \/dev\/null is no file/);
});

test('it is told to shards, with how long it is valid, and again when it is another one', async () => {
  posted = [];
  const first = await issue();
  assert.deepEqual(await simple(), []);
  const [message] = posted;
  assert.ok(message.type === 'credential');
  assert.equal(message.credential?.cert, first);
  const [seconds] = expiries.values();
  assert.ok(seconds() > 3_000 && seconds() <= 3_600);
  const [shown] = credentials.secrets();
  assert.deepEqual([shown.type, shown.status, shown.identity], ['Cert Chain', 'ACTIVE', 'DNS:a.test']);
  posted = [];
  const second = await issue();
  while (posted.length === 0) await arrived.promise;
  assert.ok(posted[0].type === 'credential' && posted[0].credential?.cert === second);
});

test('what cannot be used leaves the one before', async () => {
  posted = [];
  told = [];
  await write('key', (await authority.issue(['b.test'])).key);
  while (told.length === 0) await arrived.promise;
  assert.match(told[0], /its key is not that of the certificate; the one that was there stays/);
  await write('cert', 'nothing');
  while (told.length === 1) await arrived.promise;
  assert.match(told[1], /there is no certificate/);
  assert.deepEqual(await simple(), []);
  assert.deepEqual(posted, []);
});

test('whom it believes is read, too, and what nobody names is forgotten once that runs', async () => {
  await issue();
  await write('ca', authority.ca);
  await write('crl', await authority.revoked([]));
  posted = [];
  const files = `serverCertificate: ${path('cert')}, privateKey: ${path('key')}`;
  assert.deepEqual(await prepare(`mode: MUTUAL, ${files}, caCertificates: ${path('ca')}, caCrl: ${path('crl')}`), []);
  const roots = posted.find((message) => message.type === 'credential' && message.name.startsWith('file-root:'));
  assert.ok(roots?.type === 'credential' && roots.credential?.ca === authority.ca && roots.credential.crl !== '');
  credentials.adopted();
  posted = [];
  await prepare('mode: ISTIO_MUTUAL');
  // Nobody has taken it yet, and it may be refused.
  assert.deepEqual([posted, credentials.secrets().length], [[], 2]);
  await prepare('mode: ISTIO_MUTUAL');
  credentials.adopted();
  assert.equal(posted.filter((message) => message.type === 'credential' && message.credential === null).length, 2);
  assert.deepEqual(credentials.secrets(), []);
});

test('a file that is closed while it is read is told of no more', async () => {
  const changed = () => assert.fail('told');
  const file = new PemFiles({ files: { cert: path('cert'), key: path('key') }, changed, failed: changed });
  const reading = file.look();
  file.close();
  await reading;
  assert.equal(file.credential, null);
});
