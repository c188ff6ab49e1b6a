// A small npm registry for tests: packuments, tarballs, signatures by a key of its own and the keys endpoint, attestations.
// It can be slow, fail, and lie.
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify, { type FastifyInstance } from 'fastify';
import { type Package, packageFolder, packFolder } from './packages.ts';

export interface Published {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
  readonly sha512: string;
  readonly tarball: Buffer<ArrayBuffer>;
}

interface Dist {
  tarball: string;
  integrity: string;
  shasum: string;
  signatures?: { keyid: string; sig: string }[];
  attestations?: { url: string };
}

export class Registry {
  readonly #app: FastifyInstance;
  readonly #packages = new Map<string, Map<string, Record<string, unknown> & { dist: Dist }>>();
  readonly #tarballs = new Map<string, Buffer>();
  readonly #attestations = new Map<string, unknown[]>();
  readonly key: KeyObject;
  readonly keyid: string;
  readonly #spki: string;
  url = '';
  /** What was asked for, in order. */
  readonly asked: string[] = [];
  readonly authorizations: (string | undefined)[] = [];
  /** Answers with this status instead. */
  failing = 0;
  /** Takes requests and never answers. */
  silent = false;
  readonly #waiting = new Set<Socket>();
  keys = true;
  keyExpires: string | null = null;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.key = privateKey;
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    this.#spki = spki.toString('base64');
    this.keyid = `SHA256:${createHash('sha256').update(spki).digest('base64').replace(/=+$/, '')}`;
    this.#app = fastify({ forceCloseConnections: true });
    this.#app.addHook('onRequest', async (request, reply) => {
      this.asked.push(decodeURIComponent(request.url));
      this.authorizations.push(request.headers.authorization);
      if (this.silent) {
        this.#waiting.add(request.raw.socket);
        return reply.hijack();
      }
      if (this.failing > 0) return reply.code(this.failing).send({ error: 'broken' });
    });
    this.#app.get('/-/npm/v1/keys', (_, reply) =>
      this.keys
        ? {
            keys: [
              {
                keyid: this.keyid,
                keytype: 'ecdsa-sha2-nistp256',
                scheme: 'ecdsa-sha2-nistp256',
                key: this.#spki,
                expires: this.keyExpires,
              },
            ],
          }
        : reply.code(404).send({ error: 'not found' }),
    );
    this.#app.get('/-/npm/v1/attestations/*', (request, reply) => {
      const attestations = this.#attestations.get((request.params as { '*': string })['*']);
      return attestations === undefined ? reply.code(404).send({}) : { attestations };
    });
    this.#app.get('/-/v1/search', () => ({
      total: this.#packages.size,
      objects: [...this.#packages].map(([name, versions]) => {
        const [version, { description }] = [...versions].at(-1)!;
        return { package: { name, version, description, keywords: ['mesh-plugin'] } };
      }),
    }));
    this.#app.get('/tarballs/:file', (request, reply) => {
      const tarball = this.#tarballs.get((request.params as { file: string }).file);
      return tarball === undefined ? reply.code(404).send({}) : reply.type('application/octet-stream').send(tarball);
    });
    this.#app.get('/*', (request, reply) => {
      const name = decodeURIComponent((request.params as { '*': string })['*']);
      const versions = this.#packages.get(name);
      if (versions === undefined) return reply.code(404).send({ error: 'Not found' });
      const newest = [...versions.keys()].at(-1);
      return {
        name,
        'dist-tags': { latest: newest },
        versions: Object.fromEntries(versions),
        time: Object.fromEntries([...versions.keys()].map((version) => [version, '2026-01-02T03:04:05.000Z'])),
      };
    });
  }

  async start(): Promise<void> {
    this.url = `${await this.#app.listen({ host: '127.0.0.1', port: 0 })}/`;
  }

  /** Ends what was not answered. */
  speak(): void {
    this.silent = false;
    for (const socket of this.#waiting) socket.destroy();
    this.#waiting.clear();
  }

  stop(): Promise<void> {
    return this.#app.close();
  }

  /** Signed, unless it is said otherwise. */
  async publish(parts: Package, { signed = true } = {}): Promise<Published> {
    const { name = 'mesh-plugin-adder', version = '1.0.0' } = parts;
    const folder = mkdtempSync(join(tmpdir(), 'mesh-package-'));
    const tarball = await packFolder(packageFolder(folder, parts));
    rmSync(folder, { recursive: true });
    const sha512 = createHash('sha512').update(tarball);
    const digest = sha512.digest();
    const integrity = `sha512-${digest.toString('base64')}`;
    const file = `${name.replace(/[@/]/g, '_')}-${version}.tgz`;
    this.#tarballs.set(file, tarball);
    const dist: Dist = {
      tarball: `${this.url}tarballs/${file}`,
      integrity,
      shasum: createHash('sha1').update(tarball).digest('hex'),
    };
    if (signed) {
      const sig = sign('sha256', Buffer.from(`${name}@${version}:${integrity}`), this.key).toString('base64');
      dist.signatures = [{ keyid: this.keyid, sig }];
    }
    const versions = this.#packages.get(name) ?? new Map();
    versions.set(version, { name, version, ...parts.more, dist });
    this.#packages.set(name, versions);
    return { name, version, integrity, sha512: digest.toString('hex'), tarball };
  }

  /** What the registry says of a version, to be changed. */
  dist(name: string, version = '1.0.0'): Dist {
    return this.#packages.get(name)!.get(version)!.dist;
  }

  /** Another tarball under the same description. */
  tamper(name: string, version = '1.0.0', tarball = Buffer.from('other bytes')): void {
    this.#tarballs.set(`${name.replace(/[@/]/g, '_')}-${version}.tgz`, tarball);
  }

  /** The tarball is gone, its description is not. */
  lose(name: string, version = '1.0.0'): void {
    this.#tarballs.delete(`${name.replace(/[@/]/g, '_')}-${version}.tgz`);
  }

  attest(name: string, version: string, attestations: unknown[]): void {
    this.#attestations.set(`${name}@${version}`, attestations);
    this.dist(name, version).attestations = { url: `${this.url}-/npm/v1/attestations/${name}@${version}` };
  }
}
