// Whom the mesh believes, and what a proxy is told of it, counts when a control plane has signed it: NATS alone decides neither.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { type MsgHdrs, headers as natsHeaders } from 'nats';
import type { SignedCertificate } from '../../bus/certificate-types.ts';
import { NatsCertificates } from '../../bus/certificates.ts';
import type { Heads } from '../../bus/heads.ts';
import type { Link } from '../../bus/link.ts';
import { Seal } from '../../bus/log/commit-format.ts';

interface Message {
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
}

const IDENTITY = { namespace: 'default', serviceAccount: 'api', node: 'api-1' };
const OWN = { roots: 'our root\n', signing: '', intermediate: '', revoked: {} };
const SIGNED: SignedCertificate = { chain: 'a chain', roots: 'our root\n', revoked: {}, trust: 1 };

function keys() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const signingKey = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');
  const verifyKey = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  return { control: new Seal({ signingKey }), proxy: new Seal({ verifyKey }) };
}

/** NATS with one message of trust, and one answer for whoever asks. */
function nats() {
  const kept: { trust: Message | null; sequence: number; answer: (csr: string) => Promise<Message> } = {
    trust: null,
    sequence: 0,
    answer: () => Promise.reject(new Error('nobody answers')),
  };
  const link = {
    closed: false,
    get: async () => (kept.trust === null ? null : { ...kept.trust, sequence: kept.sequence }),
    async request(subject: string, payload: string | Uint8Array, headers?: MsgHdrs) {
      if (!subject.endsWith('trust')) return kept.answer(String(payload));
      assert.equal(headers?.get('Nats-Expected-Last-Subject-Sequence'), String(kept.sequence));
      kept.trust = { data: Buffer.from(payload), headers };
      return { json: () => ({ seq: ++kept.sequence }) };
    },
    nc: {
      subscribe(_: string, { callback }: { callback: (error: null, message: object) => void }) {
        kept.answer = (csr) =>
          new Promise((resolve) => {
            const subject = `weft.certificate.${['default', 'api', 'api-1'].join('.')}`;
            const respond = (data: string | Uint8Array, options?: { headers: MsgHdrs }) =>
              resolve({ data: Buffer.from(data), headers: options?.headers });
            callback(null, { subject, data: Buffer.from(csr), string: () => csr, respond });
          });
      },
    },
  };
  const open = (seal: Seal) =>
    new NatsCertificates({
      link: link as unknown as Link,
      ...{ heads: { tellAgain: async () => undefined } as unknown as Heads, seal, identity: IDENTITY },
      ...{ spreadMs: () => 0, onProblem: () => undefined },
    });
  return { kept, open };
}

const forged = (value: object): Message => ({ data: Buffer.from(JSON.stringify(value)), headers: natsHeaders() });

describe('what the mesh trusts', () => {
  it('is signed, and read by every control plane that has the key', async () => {
    const { open } = nats();
    const { control } = keys();
    assert.deepEqual(await open(control).trusted(OWN), { ...OWN, version: 1 });
    const both = { ...OWN, roots: 'our root\nanother\n', version: 1 };
    assert.equal(await open(control).retrust(both), true);
    assert.deepEqual(await open(control).trusted(OWN), { ...both, version: 2 });
  });

  it('is not what somebody else has written there, whatever that says of itself', async () => {
    const { kept, open } = nats();
    const { control } = keys();
    await open(control).trusted(OWN);
    const real = kept.trust!;
    const theirs = { kind: 'trust', ...OWN, roots: 'our root\ntheirs\n' };
    const wrong: Message[] = [forged(theirs), { ...forged(theirs), headers: real.headers }];
    const other = nats();
    await other.open(keys().control).trusted({ ...OWN, roots: theirs.roots });
    for (const message of [...wrong, other.kept.trust!]) {
      kept.trust = message;
      await assert.rejects(
        open(control).trusted(OWN),
        /is signed by no control plane of it, and is not what stood here/,
      );
    }
    kept.trust = real;
    assert.equal((await open(control).trusted(OWN)).roots, OWN.roots);
  });

  it('is what this control plane keeps where that has its roots and is not signed: nothing of what stands there counts', async () => {
    const { control } = keys();
    const [root, another] = ['a', 'b'].map((digit) => digit.repeat(64));
    const own = { ...OWN, signing: root, intermediate: another, revoked: { abcd: { since: 1, until: 2 } } };
    const foreign = { kind: 'trust', roots: OWN.roots, signing: '', intermediate: '', revoked: {} };
    const other = nats();
    await other.open(keys().control).trusted({ ...own, revoked: {} });
    const written = [
      forged({ roots: OWN.roots, signing: '', revoked: {} }),
      forged({ ...foreign, revoked: { ef01: { since: 3, until: 4 } } }),
      forged({ ...foreign, signing: another, intermediate: root }),
      forged({ ...foreign, intermediate: '../..' }),
      other.kept.trust!,
    ];
    for (const message of written) {
      const { kept, open } = nats();
      kept.trust = message;
      kept.sequence = 7;
      assert.deepEqual(await open(control).trusted(own), { ...own, version: 8 });
      assert.ok(control.holds(kept.trust.data, kept.trust.headers));
      assert.deepEqual(await open(control).trusted(OWN), { ...own, version: 8 });
    }
  });

  it('names folders of control planes by nothing but fingerprints, also where one has signed it', async () => {
    const { control } = keys();
    for (const [field, name] of [
      ['signing', '..'],
      ['intermediate', '../../etc'],
      ['intermediate', 'a'.repeat(63)],
      ['intermediate', `${'a'.repeat(64)}\n`],
      ['signing', 'A'.repeat(64)],
    ]) {
      const { open } = nats();
      await open(control).trusted({ ...OWN, [field]: name });
      assert.deepEqual(await open(control).trusted(OWN), { ...OWN, version: 2 }, name);
    }
  });
});

describe('an answer to who asks for a certificate', () => {
  it('is taken from a control plane, for the request that it is for', async () => {
    const { kept, open } = nats();
    const { control, proxy } = keys();
    open(control).answer(async () => SIGNED);
    assert.deepEqual(await open(proxy).request('a request'), SIGNED);
    const old = await kept.answer('a request');
    kept.answer = async () => old;
    await assert.rejects(open(proxy).request('another request'), /what was answered is of no control plane/);
  });

  it('is not taken from who has not its key, with no signature neither', async () => {
    const { kept, open } = nats();
    const { proxy } = keys();
    open(keys().control).answer(async () => SIGNED);
    await assert.rejects(open(proxy).request('a request'), /what was answered is of no control plane/);
    const told = await kept.answer('a request');
    kept.answer = async () => ({ ...told, headers: undefined });
    await assert.rejects(open(proxy).request('a request'), /what was answered is of no control plane/);
  });

  it('says why there is none', async () => {
    const { open } = nats();
    const { control, proxy } = keys();
    open(control).answer(() => Promise.reject(new Error('it was revoked a moment ago')));
    await assert.rejects(open(proxy).request('a request'), /^Error: it was revoked a moment ago$/);
  });
});
