import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { findPlugin } from '../../../plugins/source/find.ts';
import { StepFailed } from '../../../plugins/step.ts';
import { type Published, Registry } from '../../cli/plugin/registry.ts';
import { type Identity, Sigstore } from './sigstore.ts';

const home = mkdtempSync(join(tmpdir(), 'mesh-provenance-'));
const registry = new Registry();
const sigstore = new Sigstore();
const NAME = '@acme/waf';
const REPOSITORY = 'https://github.com/acme/waf';
const RELEASE = `${REPOSITORY}/.github/workflows/release.yml@refs/tags/v1.0.0`;
let root: string;
let published: Published;
let caches = 0;
let told: string[] = [];

async function find(mode: 'off' | 'warn' | 'enforce', sources: readonly string[] = []): Promise<string | undefined> {
  told = [];
  caches++;
  const trustRoot = { mirror: sigstore.mirror, root, cache: join(home, `tuf-${caches}`) };
  const tell = (_: string, what: string): void => {
    told.push(what);
  };
  const { origin } = await findPlugin(NAME, { policy: { mode, sources, trustRoot }, folder: home, tell });
  return origin.provenance;
}

async function failure(mode: 'warn' | 'enforce', sources?: readonly string[]): Promise<string> {
  try {
    await find(mode, sources);
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    assert.deepEqual([error.step, error.fault], ['verify', 'refused']);
    return error.message;
  }
  throw new Error('it was found');
}

function statement({ name = NAME, version = '1.0.0', sha512 = published.sha512 } = {}): unknown {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: `pkg:npm/${name.replace('@', '%40')}@${version}`, digest: { sha512 } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {},
  };
}

function attest(content: unknown, identity: Identity = { workflow: RELEASE }, by: Sigstore = sigstore): void {
  const bundle = by.attest(content, identity);
  registry.attest(NAME, '1.0.0', [{ predicateType: 'https://slsa.dev/provenance/v1', bundle }]);
}

suite('where a package was built', () => {
  before(async () => {
    mkdirSync(home, { recursive: true });
    await registry.start();
    root = await sigstore.start(join(home, 'sigstore'));
    writeFileSync(join(home, '.npmrc'), `registry=${registry.url}\nfetch-retries=0\ncache=${join(home, 'npm')}\n`);
    published = await registry.publish({
      name: NAME,
      more: { repository: { type: 'git', url: `git+${REPOSITORY}.git` } },
    });
  });
  after(async () => {
    await Promise.all([registry.stop(), sigstore.stop()]);
    rmSync(home, { recursive: true, force: true });
  });

  test('a package without attestations is refused by enforce, and told by warn', async () => {
    assert.match(
      await failure('enforce'),
      /^@acme\/waf@1\.0\.0 does not say where it was built, and the policy is enforce$/,
    );
    assert.equal(await find('warn'), undefined);
    assert.match(told.join('\n'), /no provenance: @acme\/waf@1\.0\.0 does not say where it was built/);
  });

  test('the workflow that built it is verified by its certificate and told', async () => {
    attest(statement());
    assert.equal(await find('enforce'), RELEASE);
    assert.equal(await find('enforce', ['github.com/acme/*']), RELEASE);
    assert.equal(await find('enforce', ['github.com/acme/waf']), RELEASE);
  });

  test('a repository that may not build it is refused under every policy that looks', async () => {
    attest(statement(), { workflow: 'https://github.com/mallory/waf/.github/workflows/release.yml@refs/heads/main' });
    for (const mode of ['warn', 'enforce'] as const) {
      assert.match(
        await failure(mode),
        /was built by github\.com\/mallory\/waf, but its package names github\.com\/acme\/waf$/,
      );
    }
    assert.match(
      await failure('enforce', ['github.com/acme/*']),
      /which is none of the allowed sources \(github\.com\/acme\/\*\)$/,
    );
    assert.equal(await find('off'), undefined);
  });

  test('an identity that an unknown issuer vouches for is refused', async () => {
    attest(statement(), { workflow: RELEASE, issuer: 'https://mallory.example' });
    assert.match(await failure('warn'), /as https:\/\/mallory\.example says, who builds no packages$/);
    attest(statement(), { workflow: 'https://mallory.example/x/.github/workflows/a@b' });
    assert.match(await failure('warn'), /who builds no packages$/);
  });

  test('an attestation of another tarball or package is refused', async () => {
    attest(statement({ sha512: '0'.repeat(128) }));
    assert.match(await failure('warn'), /are of another tarball$/);
    attest(statement({ name: '@acme/other' }));
    assert.match(await failure('warn'), /are of another package \(pkg:npm\/%40acme\/other@1\.0\.0\)$/);
  });

  test('a certificate of another authority, or a changed statement, is refused', async () => {
    const other = new Sigstore();
    attest(statement(), { workflow: RELEASE }, other);
    assert.match(await failure('warn'), /cannot be verified: /);
    const bundle = sigstore.attest(
      { ...(statement() as object), predicate: { changed: false } },
      { workflow: RELEASE },
    ) as {
      dsseEnvelope: { payload: string };
    };
    bundle.dsseEnvelope.payload = Buffer.from(JSON.stringify(statement())).toString('base64');
    registry.attest(NAME, '1.0.0', [{ predicateType: 'https://slsa.dev/provenance/v1', bundle }]);
    assert.match(await failure('warn'), /cannot be verified: /);
  });

  test('without the roots of Sigstore nothing is known: told by warn, refused by enforce', async () => {
    attest(statement());
    sigstore.failing = true;
    try {
      assert.equal(await find('warn'), undefined);
      assert.match(told.join('\n'), /no provenance: Sigstore's roots cannot be had/);
      assert.match(await failure('enforce'), /^Sigstore's roots cannot be had .*, and the policy is enforce$/);
    } finally {
      sigstore.failing = false;
    }
  });
});
