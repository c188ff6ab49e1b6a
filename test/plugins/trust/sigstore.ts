// A small Sigstore for tests: an authority that certifies identities, its certificate log, a transparency log, and the TUF
// repository that hands out their keys. What it signs, the real client verifies.
import { createHash, createSign, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fastify, { type FastifyInstance } from 'fastify';

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface Identity {
  /** 'https://github.com/acme/x/.github/workflows/release.yml@refs/heads/main' */
  readonly workflow: string;
  /** Who says so. */
  readonly issuer?: string;
}

export const GITHUB = 'https://token.actions.githubusercontent.com';
const HOUR = 3_600_000;
const SERIAL = Buffer.from([1, 2, 3]);

export class Sigstore {
  readonly #app: FastifyInstance = fastify({ forceCloseConnections: true });
  readonly #authority = pair();
  readonly #certificates = pair();
  readonly #log = pair();
  readonly #root: Buffer;
  readonly #files = new Map<string, Buffer>();
  /** Of its TUF repository. */
  mirror = '';
  failing = false;

  constructor() {
    this.#root = certificate({
      subject: 'root',
      issuer: 'root',
      key: this.#authority.publicKey,
      signer: this.#authority.privateKey,
      extensions: [
        extension('2.5.29.15', true, der(0x03, Buffer.from([1, 0x06]))),
        extension('2.5.29.19', true, sequence(der(0x01, Buffer.from([0xff])))),
      ],
    });
    this.#app.get('/*', (request, reply) => {
      const file = this.#files.get((request.params as { '*': string })['*']);
      if (this.failing) return reply.code(503).send();
      return file === undefined ? reply.code(404).send() : reply.type('application/octet-stream').send(file);
    });
  }

  /** Returns the file with the first root, in a new folder there. */
  async start(folder: string): Promise<string> {
    this.mirror = await this.#app.listen({ host: '127.0.0.1', port: 0 });
    mkdirSync(folder, { recursive: true });
    const root = this.#publish();
    writeFileSync(join(folder, 'root.json'), root);
    return join(folder, 'root.json');
  }

  stop(): Promise<void> {
    return this.#app.close();
  }

  /** A bundle around a statement, signed by a certificate that this identity was given. */
  attest(statement: unknown, { workflow, issuer = GITHUB }: Identity): Record<string, unknown> {
    const leaf = pair();
    const extensions = [
      extension('2.5.29.17', true, sequence(der(0x86, Buffer.from(workflow)))),
      extension('1.3.6.1.4.1.57264.1.1', false, Buffer.from(issuer)),
      extension('1.3.6.1.4.1.57264.1.8', false, der(0x0c, Buffer.from(issuer))),
    ];
    const about = { subject: '', issuer: 'root', key: leaf.publicKey, signer: this.#authority.privateKey };
    const logged = [...extensions, this.#certificateLogged(toBeSigned({ ...about, extensions }))];
    const rawBytes = certificate({ ...about, extensions: logged }).toString('base64');
    const payload = Buffer.from(JSON.stringify(statement));
    const payloadType = 'application/vnd.in-toto+json';
    const envelope = Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} ${payload}`);
    const sig = sign('sha256', envelope, leaf.privateKey).toString('base64');
    return {
      mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
      verificationMaterial: {
        x509CertificateChain: { certificates: [{ rawBytes }] },
        tlogEntries: [this.#logged(payload, sig)],
      },
      dsseEnvelope: { payload: payload.toString('base64'), payloadType, signatures: [{ sig, keyid: '' }] },
    };
  }

  /** The log's promise to have the certificate, as its extension. */
  #certificateLogged(tbs: Buffer): Buffer {
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(Date.now()));
    const issuer = createHash('sha256').update(spki(this.#authority.publicKey)).digest();
    const length = Buffer.from([tbs.length >> 16, tbs.length >> 8, tbs.length].map((byte) => byte & 255));
    const signed = Buffer.concat([
      Buffer.from([0, 0]),
      time,
      Buffer.from([0, 1]),
      issuer,
      length,
      tbs,
      Buffer.from([0, 0]),
    ]);
    const signature = sign('sha256', signed, this.#certificates.privateKey);
    const sct = Buffer.concat([
      ...[Buffer.from([0]), idOf(this.#certificates.publicKey), time, Buffer.from([0, 0, 4, 3])],
      ...[sized(signature)],
    ]);
    return extension('1.3.6.1.4.1.11129.2.4.2', false, der(0x04, sized(sized(sct))));
  }

  #logged(payload: Buffer, signature: string): Record<string, unknown> {
    const body = {
      apiVersion: '0.0.1',
      kind: 'dsse',
      spec: {
        payloadHash: { algorithm: 'sha256', value: createHash('sha256').update(payload).digest('hex') },
        signatures: [{ signature }],
      },
    };
    const canonicalizedBody = Buffer.from(canonical(body)).toString('base64');
    const integratedTime = Math.floor(Date.now() / 1000);
    const logID = idOf(this.#log.publicKey);
    const entry = { body: canonicalizedBody, integratedTime, logIndex: 7, logID: logID.toString('hex') };
    return {
      logIndex: '7',
      logId: { keyId: logID.toString('base64') },
      kindVersion: { kind: 'dsse', version: '0.0.1' },
      integratedTime: String(integratedTime),
      inclusionPromise: {
        signedEntryTimestamp: sign('sha256', Buffer.from(canonical(entry)), this.#log.privateKey).toString('base64'),
      },
      canonicalizedBody,
    };
  }

  /** Returns root.json. */
  #publish(): Buffer {
    const validFor = { start: '2020-01-01T00:00:00Z' };
    const log = ({ publicKey }: Pair) => ({
      baseUrl: 'http://log.test',
      hashAlgorithm: 'SHA2_256',
      publicKey: { rawBytes: spki(publicKey).toString('base64'), keyDetails: 'PKIX_ECDSA_P256_SHA_256', validFor },
      logId: { keyId: idOf(publicKey).toString('base64') },
    });
    const trusted = Buffer.from(
      JSON.stringify({
        mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
        tlogs: [log(this.#log)],
        ctlogs: [log(this.#certificates)],
        certificateAuthorities: [
          {
            subject: { organization: 'test', commonName: 'test' },
            uri: 'http://authority.test',
            certChain: { certificates: [{ rawBytes: this.#root.toString('base64') }] },
            validFor,
          },
        ],
        timestampAuthorities: [],
      }),
    );
    const key = generateKeyPairSync('ed25519');
    const raw = key.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex');
    const tufKey = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: raw } };
    const keyid = createHash('sha256').update(canonical(tufKey)).digest('hex');
    const expires = new Date(Date.now() + 24 * HOUR).toISOString().replace(/\.\d+Z$/, 'Z');
    const signed = (content: Record<string, unknown>): Buffer => {
      const all = { ...content, spec_version: '1.0.31', version: 1, expires };
      const signatures = [{ keyid, sig: sign(null, Buffer.from(canonical(all)), key.privateKey).toString('hex') }];
      return Buffer.from(JSON.stringify({ signatures, signed: all }));
    };
    const role = { keyids: [keyid], threshold: 1 };
    const roles = { root: role, timestamp: role, snapshot: role, targets: role };
    const root = signed({ _type: 'root', consistent_snapshot: false, keys: { [keyid]: tufKey }, roles });
    const sha256 = createHash('sha256').update(trusted).digest('hex');
    const targets = { 'trusted_root.json': { length: trusted.length, hashes: { sha256 } } };
    this.#files.set('targets.json', signed({ _type: 'targets', targets }));
    this.#files.set('snapshot.json', signed({ _type: 'snapshot', meta: { 'targets.json': { version: 1 } } }));
    this.#files.set('timestamp.json', signed({ _type: 'timestamp', meta: { 'snapshot.json': { version: 1 } } }));
    this.#files.set('targets/trusted_root.json', trusted);
    this.#files.set('1.root.json', root);
    return root;
  }
}

interface About {
  readonly subject: string;
  readonly issuer: string;
  readonly key: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Buffer[];
}

function pair(): Pair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function idOf(key: KeyObject): Buffer {
  return createHash('sha256').update(spki(key)).digest();
}

/** With its length in two bytes in front, as TLS writes it. */
function sized(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}

// X.509, as DER.

const SHA256_ECDSA = sequence(oid('1.2.840.10045.4.3.2'));

function toBeSigned({ subject, issuer, key, extensions }: About): Buffer {
  // The same for one certificate, with and without what the log adds.
  const day = (years: number): Buffer => der(0x18, Buffer.from(`${new Date().getUTCFullYear() + years}0101000000Z`));
  return sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, SERIAL),
    SHA256_ECDSA,
    name(issuer),
    sequence(day(-1), day(2)),
    name(subject),
    spki(key),
    der(0xa3, sequence(...extensions)),
  );
}

function certificate(about: About): Buffer {
  const tbs = toBeSigned(about);
  const signature = createSign('sha256').update(tbs).sign(about.signer);
  return sequence(tbs, SHA256_ECDSA, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
}

function name(commonName: string): Buffer {
  if (commonName === '') return sequence();
  return sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName)))));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [der(0x01, Buffer.from([0xff]))] : [];
  return sequence(oid(id), ...flag, der(0x04, value));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function oid(text: string): Buffer {
  const [first, second, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 127];
    for (let left = part >> 7; left > 0; left >>= 7) groups.unshift((left & 127) | 128);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
