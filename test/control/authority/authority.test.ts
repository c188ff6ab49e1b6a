import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Certificates, Trust } from '../../../bus/certificate-types.ts';
import { BusUnavailableError } from '../../../bus/types.ts';
import { type AuthorityOptions, startAuthority } from '../../../control/authority/authority.ts';
import { makeIntermediateNext, openNext, removeNext } from '../../../control/authority/files.ts';
import { fingerprintOf } from '../../../core/config/pem.ts';
import { certificateRequest, newKey } from '../../../core/main/certificate-request.ts';
import { until } from '../../until.ts';

const WHO = { namespace: 'shop', serviceAccount: 'api', node: 'sidecar~1~api.shop~x' };
const HOUR = 3_600_000;

/** The bus as an authority sees it: what others were told first is what everybody trusts. */
function bus(known: Partial<Trust> & { roots: string } = { roots: '' }) {
  let sign: Parameters<Certificates['answer']>[0] = () => Promise.reject(new Error('nobody answers yet'));
  let tell = (_: number): void => {};
  const certificates: Certificates = {
    request: () => Promise.reject(new Error('a control plane asks nobody')),
    answer(given) {
      sign = given;
    },
    async trusted(own) {
      known.roots ||= own.roots;
      return { ...own, version: 1, ...known };
    },
    retrust: () => Promise.reject(new Error('nothing is rotated')),
    onTrust(listener) {
      tell = listener;
    },
  };
  return {
    certificates,
    known,
    tell: (version: number) => tell(version),
    ask: (csr: string, who = WHO) => sign(who, csr),
  };
}

describe('the authority', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'weft-authority-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const start = (on: ReturnType<typeof bus>, options: Partial<AuthorityOptions> = {}) =>
    startAuthority({ bus: on.certificates, dir: join(dir, 'authority'), ...options });

  /** An authority's files as a user would bring them. */
  async function ownFiles(options: Partial<AuthorityOptions> = {}) {
    const made = join(dir, 'elsewhere');
    const on = bus();
    await start(on, { dir: made, ...options });
    await on.ask(certificateRequest(newKey()));
    return {
      certificates: join(made, 'ca-cert.pem'),
      key: join(made, 'ca-key.pem'),
      root: join(made, 'root-cert.pem'),
    };
  }

  it('certifies a key for whom the bus says that asks, for a day, below a root that it keeps', async () => {
    const on = bus();
    await start(on);
    assert.deepEqual(await readdir(dir), [], 'nothing is made before it is needed');
    const key = newKey();
    const { chain, roots } = await on.ask(certificateRequest(key));
    const [leaf, issuer, ...more] = pems(chain).map((pem) => new X509Certificate(pem));
    const [root] = pems(roots).map((pem) => new X509Certificate(pem));
    assert.equal(more.length, 0);
    assert.equal(leaf.subjectAltName, 'URI:spiffe://cluster.local/ns/shop/sa/api');
    assert.ok(leaf.checkPrivateKey(createPrivateKey(key)));
    assert.ok(leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey) && !leaf.ca);
    assert.ok(issuer.checkIssued(root) && issuer.verify(root.publicKey) && issuer.ca);
    assert.ok(root.checkIssued(root) && root.verify(root.publicKey));
    const left = leaf.validToDate.getTime() - Date.now();
    assert.ok(left > 23.9 * HOUR && left <= 24 * HOUR, `${left}`);
    // A clock may be ten minutes off.
    assert.ok(Date.now() - leaf.validFromDate.getTime() > 10 * 60_000);
    assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    const folder = join(dir, 'authority');
    for (const name of await readdir(folder)) assert.equal((await stat(join(folder, name))).mode & 0o077, 0, name);
    assert.equal((await stat(folder)).mode & 0o077, 0);
  });

  it('is the same one after a restart', async () => {
    const on = bus();
    await start(on);
    const first = await on.ask(certificateRequest(newKey()));
    await start(on);
    const second = await on.ask(certificateRequest(newKey()));
    assert.equal(pems(second.chain)[1], pems(first.chain)[1]);
  });

  it('tells a NATS that lost everything what the mesh believed last', async () => {
    const on = bus();
    await start(on);
    await on.ask(certificateRequest(newKey()));
    const file = join(dir, 'authority', 'trust.json');
    const kept = JSON.parse(await readFile(file, 'utf8')) as { roots: string };
    assert.equal(kept.roots, on.known.roots);
    const another = `${kept.roots}${kept.roots}`;
    await writeFile(file, JSON.stringify({ ...kept, roots: another }));
    const empty = bus();
    await start(empty);
    assert.equal(empty.known.roots, another);
    for (const damaged of [
      '{',
      JSON.stringify({ ...kept, signing: '..' }),
      JSON.stringify({ ...kept, intermediate: '/' }),
    ]) {
      await writeFile(file, damaged);
      await assert.rejects(start(bus()), /trust\.json is damaged: remove it where NATS still knows/, damaged);
    }
  });

  it('reaches for no folder that is not named by a fingerprint', async () => {
    const on = bus();
    await start(on);
    await on.ask(certificateRequest(newKey()));
    const files = { dir: join(dir, 'authority') };
    for (const name of ['', '.', '..', '../authority', `${'a'.repeat(64)}/..`]) {
      const why = { message: `${JSON.stringify(name)} is no fingerprint of an authority's certificate` };
      await assert.rejects(openNext(files, name, Date.now()), why);
      await assert.rejects(removeNext(files, name), why);
    }
    assert.ok((await readdir(files.dir)).includes('ca-key.pem'));
  });

  it('is made once by two control planes that start together', async () => {
    const known = { roots: '' };
    const both = [bus(known), bus(known)];
    await Promise.all(both.map((each) => start(each)));
    const [one, other] = await Promise.all(both.map((each) => each.ask(certificateRequest(newKey()))));
    assert.equal(pems(one.chain)[1], pems(other.chain)[1]);
    assert.deepEqual(await readdir(dir), ['authority']);
  });

  it('is not made where its key cannot be kept, and says so to who asks', async () => {
    const on = bus();
    // Its folder is made under a longer name first.
    const folder = join(dir, 'x'.repeat(252));
    await start(on, { dir: folder });
    const why = /^Error: the authority cannot be kept in .*x{252}: ENAMETOOLONG/;
    await assert.rejects(on.ask(certificateRequest(newKey())), why);
    assert.deepEqual([on.known.roots, await readdir(dir)], ['', []]);
  });

  it('keeps its keys encrypted where there is a passphrase, and says which file wants it', async () => {
    const on = bus();
    await start(on, { passphrase: 'correct horse battery' });
    await on.ask(certificateRequest(newKey()));
    const file = join(dir, 'authority', 'ca-key.pem');
    assert.match(await readFile(file, 'utf8'), /BEGIN ENCRYPTED PRIVATE KEY/);
    assert.match(await readFile(join(dir, 'authority', 'root-key.pem'), 'utf8'), /BEGIN ENCRYPTED PRIVATE KEY/);
    await assert.rejects(start(on), { message: `${file} is encrypted, and no passphrase is given` });
    await assert.rejects(start(on, { passphrase: 'another one, wrong' }), /the passphrase does not open it/);
    await start(on, { passphrase: 'correct horse battery' });
  });

  it('signs with files of the user, of which the root needs no key', async () => {
    const own = await ownFiles();
    await rm(join(dir, 'elsewhere', 'root-key.pem'));
    const on = bus();
    await start(on, { own });
    const { chain, roots } = await on.ask(certificateRequest(newKey()));
    assert.equal(roots.trim(), (await readFile(own.root, 'utf8')).trim());
    assert.equal(pems(chain).length, 2);
    // Where the authority of its own would be nothing is in the way.
    assert.deepEqual((await readdir(dir)).sort(), ['authority-trust.json', 'elsewhere']);
  });

  it('keeps what the mesh believes with files of the user, too, and tells it a NATS that lost everything', async () => {
    const own = await ownFiles();
    const revoked = { abcd: { since: 1, until: 4_000_000_000 } };
    const on = bus({ roots: await readFile(own.root, 'utf8'), revoked });
    await start(on, { own });
    const empty = bus();
    let told: Omit<Trust, 'version'> | null = null;
    const certificates: Certificates = {
      ...empty.certificates,
      async trusted(given) {
        told = given;
        return { ...given, version: 1 };
      },
    };
    await start(empty, { own, bus: certificates });
    assert.deepEqual(told, { roots: on.known.roots, signing: '', intermediate: '', revoked });
    // One of its own can still be made.
    await start(empty, { bus: certificates });
    await empty.ask(certificateRequest(newKey()));
    assert.ok((await readdir(join(dir, 'authority'))).includes('trust.json'));
  });

  it('keeps what the mesh believes as soon as it is told of it', async () => {
    const on = bus();
    await start(on);
    on.tell(1);
    await on.ask(certificateRequest(newKey()));
    const revoked = { abcd: { since: 1, until: 4_000_000_000 } };
    Object.assign(on.known, { revoked, version: 2 });
    on.tell(2);
    const file = join(dir, 'authority', 'trust.json');
    await until('it is kept', async () => isDeepStrictEqual(JSON.parse(await readFile(file, 'utf8')).revoked, revoked));
  });

  it('goes on where nobody of the mesh has signed whom to believe, and says so to the log and to who asks', async () => {
    const on = bus();
    await start(on);
    await on.ask(certificateRequest(newKey()));
    const log: string[] = [];
    let forged = true;
    const certificates: Certificates = {
      ...on.certificates,
      trusted: (own) => (forged ? Promise.reject(new Error('it is forged')) : on.certificates.trusted(own)),
    };
    await start(on, { bus: certificates, onLog: (line) => log.push(line) });
    assert.deepEqual(log, ['it is forged: workloads get no certificates from this control plane']);
    await assert.rejects(on.ask(certificateRequest(newKey())), /^Error: it is forged$/);
    forged = false;
    await on.ask(certificateRequest(newKey()));
    const away = { ...certificates, trusted: () => Promise.reject(new BusUnavailableError('NATS is away')) };
    await assert.rejects(start(on, { bus: away }), BusUnavailableError);
  });

  it('need not be valid where another intermediate signs, whether or not it knows of that', async () => {
    const files = { dir: join(dir, 'authority') };
    const on = bus();
    await start(on);
    await on.ask(certificateRequest(newKey()));
    const year = 365 * 24 * HOUR;
    const root = fingerprintOf(on.known.roots);
    const intermediate = await makeIntermediateNext(files, root, Date.now() + 4 * year);
    const now = () => Date.now() + 6 * year;
    await assert.rejects(start(on, { now }), /ca-cert\.pem: .* has expired, on/);
    const rotated = bus({ ...on.known, signing: root, intermediate, version: 2 });
    for (const kept of [true, false]) {
      if (!kept) await rm(join(files.dir, 'trust.json'));
      await start(rotated, { now });
      const { chain } = await rotated.ask(certificateRequest(newKey()));
      assert.equal(fingerprintOf(pems(chain)[1]), intermediate);
    }
    await assert.rejects(
      start(rotated, { now: () => Date.now() + 9.5 * year }).then(() => rotated.ask(certificateRequest(newKey()))),
      /has expired, on/,
    );
  });

  it('says in a sentence what is wrong with files of the user', async () => {
    const own = await ownFiles();
    const [issuer, root] = pems(await readFile(own.certificates, 'utf8'));
    const { privateKey: foreign } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const pem = foreign.export({ type: 'pkcs8', format: 'pem' }) as string;
    const edwards = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const leafOn = bus();
    await start(leafOn, { own });
    const leafKey = newKey();
    const leaf = pems((await leafOn.ask(certificateRequest(leafKey))).chain)[0];
    const wrong: [what: string, certificates: string, key: string, says: RegExp][] = [
      ['no certificate', 'nothing', await readFile(own.key, 'utf8'), /has no certificate in PEM/],
      ['a foreign key', `${issuer}\n${root}`, pem, /is not the key of the first certificate in/],
      ['no key', `${issuer}\n${root}`, 'nothing', /it is no private key in PEM/],
      [
        'a key of another kind',
        `${issuer}\n${root}`,
        edwards,
        /keys of authorities are RSA, P-256 or P-384, not ed25519/,
      ],
      ['no root', issuer, await readFile(own.key, 'utf8'), /its root is missing at the end of the file/],
      ['a workload', `${leaf}\n${issuer}\n${root}`, leafKey, /may not sign certificates \(it is no CA\)/],
    ];
    for (const [what, certificates, key, says] of wrong) {
      const files = { certificates: join(dir, 'own.pem'), key: join(dir, 'own-key.pem') };
      await writeFile(files.certificates, certificates);
      await writeFile(files.key, key);
      await assert.rejects(start(bus(), { own: files }), says, what);
    }
    await assert.rejects(start(bus(), { own: { ...own, key: join(dir, 'absent') } }), /absent cannot be read: ENOENT/);
    await assert.rejects(start(bus(), { own, now: () => Date.now() + 6 * 365 * 24 * HOUR }), /has expired, on/);
    await assert.rejects(start(bus(), { own, now: () => Date.now() - 24 * HOUR }), /is not valid before/);
  });

  it('certifies no longer than it is valid itself, and nothing afterwards', async () => {
    const own = await ownFiles();
    let now = Date.now();
    const on = bus();
    await start(on, { own, now: () => now });
    const issuer = new X509Certificate(await readFile(own.certificates, 'utf8'));
    now = issuer.validToDate.getTime() - HOUR;
    const { chain } = await on.ask(certificateRequest(newKey()));
    assert.equal(new X509Certificate(chain).validTo, issuer.validTo);
    now += 2 * HOUR;
    await assert.rejects(on.ask(certificateRequest(newKey())), /has expired/);
  });

  it('refuses what is no request of a P-256 key whose owner asks', async () => {
    const on = bus();
    await start(on);
    const [one, other] = [certificateRequest(newKey()), certificateRequest(newKey())];
    const bytes = (csr: string): Buffer => Buffer.from(csr.replaceAll(/-----.*-----|\n/g, ''), 'base64');
    // The key of one with the signature of the other.
    const mixed = Buffer.concat([bytes(one).subarray(0, 110), bytes(other).subarray(110)]);
    const curve = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
    const p384 = certificateRequest(curve.export({ type: 'pkcs8', format: 'pem' }) as string);
    const asPem = (der: Buffer) =>
      `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    for (const csr of ['', 'nothing', asPem(mixed), asPem(Buffer.from('3000', 'hex')), p384]) {
      await assert.rejects(on.ask(csr), /no certificate signing request of a P-256 key/);
    }
  });

  it('signs nothing where the mesh trusts another root, and says so', async () => {
    const known = { roots: '' };
    const first = bus(known);
    await start(first, { dir: join(dir, 'first') });
    await first.ask(certificateRequest(newKey()));
    const log: string[] = [];
    const second = bus(known);
    await start(second, { dir: join(dir, 'second') });
    await assert.rejects(second.ask(certificateRequest(newKey())), /is not this mesh's, which trusts another root/);
    await start(second, { dir: join(dir, 'second'), onLog: (line) => log.push(line) });
    assert.match(log.join(), /second.*is not this mesh's.*workloads get no certificates from this control plane/);
  });
});

function pems(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
