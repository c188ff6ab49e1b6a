// A small image registry for tests: the distribution protocol's reading half, with or without a login, and images in all
// layouts, signed as cosign does it.
import { createHash, type KeyObject, sign } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fastify, { type FastifyInstance } from 'fastify';
import { Header } from 'tar';

export type Layout = 'wasm-to-oci' | 'compat' | 'docker' | 'cncf';

export interface Login {
  readonly username: string;
  readonly password: string;
}

interface Layer {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

export class ImageRegistry {
  readonly #app: FastifyInstance;
  readonly #blobs = new Map<string, Buffer>();
  /** By 'repository:reference'. */
  readonly #manifests = new Map<string, { readonly type: string; readonly bytes: Buffer }>();
  /** '127.0.0.1:5000' */
  host = '';
  /** Who may read; null: everybody. */
  login: Login | null = null;
  /** 'bearer': through a token. */
  scheme: 'basic' | 'bearer' = 'bearer';
  failing = 0;
  readonly asked: string[] = [];

  constructor() {
    this.#app = fastify({ forceCloseConnections: true });
    this.#app.get('/token', (request, reply) => {
      if (request.headers.authorization !== this.#basic) return reply.code(401).send({});
      return { token: 'a-token' };
    });
    this.#app.get('/v2/*', (request, reply) => {
      this.asked.push(request.url);
      if (this.failing > 0) return reply.code(this.failing).send({});
      if (this.login !== null && request.headers.authorization !== this.#accepted) {
        const bearer = `Bearer realm="http://${this.host}/token",service="test",scope="repository:x:pull"`;
        return reply
          .code(401)
          .header('www-authenticate', this.scheme === 'basic' ? 'Basic realm="test"' : bearer)
          .send({});
      }
      const path = (request.params as { '*': string })['*'];
      const [, repository, kind, reference] = /^(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
      if (kind === 'blobs') {
        const blob = this.#blobs.get(reference);
        return blob === undefined ? reply.code(404).send({}) : reply.type('application/octet-stream').send(blob);
      }
      const manifest = this.#manifests.get(`${repository}:${reference}`);
      return manifest === undefined ? reply.code(404).send({}) : reply.type(manifest.type).send(manifest.bytes);
    });
  }

  async start(): Promise<void> {
    this.host = new URL(await this.#app.listen({ host: '127.0.0.1', port: 0 })).host;
  }

  stop(): Promise<void> {
    return this.#app.close();
  }

  /** Returns the manifest's digest. */
  push(repository: string, tag: string, layout: Layout, module: Uint8Array): string {
    const config = (mediaType: string): Layer => this.#layer(mediaType, Buffer.from('{}'));
    switch (layout) {
      case 'wasm-to-oci':
        return this.#manifest(repository, tag, OCI_MANIFEST, config('application/vnd.module.wasm.config.v1+json'), [
          this.#layer('application/vnd.module.wasm.content.layer.v1+wasm', Buffer.from(module)),
        ]);
      case 'cncf':
        return this.#manifest(repository, tag, OCI_MANIFEST, config('application/vnd.wasm.config.v0+json'), [
          this.#layer('application/wasm', Buffer.from(module)),
        ]);
      case 'compat':
        return this.#manifest(repository, tag, OCI_MANIFEST, config('application/vnd.oci.image.config.v1+json'), [
          this.#layer('application/vnd.oci.image.layer.v1.tar+gzip', tarOf('other.txt', Buffer.from('hello'))),
          this.#layer('application/vnd.oci.image.layer.v1.tar+gzip', tarOf('plugin.wasm', module)),
        ]);
      case 'docker':
        return this.#manifest(
          repository,
          tag,
          DOCKER_MANIFEST,
          config('application/vnd.docker.container.image.v1+json'),
          [this.#layer('application/vnd.docker.image.rootfs.diff.tar.gzip', tarOf('./plugin.wasm', module))],
        );
    }
  }

  /** An index whose only image is this one. Returns its digest. */
  pushIndex(repository: string, tag: string, digest: string): string {
    const { bytes } = this.#manifests.get(`${repository}:${digest}`)!;
    const manifests = [
      { mediaType: OCI_MANIFEST, digest, size: bytes.length, platform: { architecture: 'wasm', os: 'wasi' } },
    ];
    return this.#store(repository, tag, 'application/vnd.oci.image.index.v1+json', { schemaVersion: 2, manifests });
  }

  /** As `cosign sign --key`; `about`: the digest that is signed. */
  sign(repository: string, digest: string, key: KeyObject, about = digest): void {
    const payload = Buffer.from(
      JSON.stringify({
        critical: {
          identity: {},
          image: { 'docker-manifest-digest': about },
          type: 'cosign container image signature',
        },
      }),
    );
    const layer = this.#layer('application/vnd.dev.cosign.simplesigning.v1+json', payload);
    const annotations = { 'dev.cosignproject.cosign/signature': sign('sha256', payload, key).toString('base64') };
    const config = this.#layer('application/vnd.oci.image.config.v1+json', Buffer.from('{}'));
    this.#manifest(repository, `${digest.replace(':', '-')}.sig`, OCI_MANIFEST, config, [{ ...layer, annotations }]);
  }

  /** Other bytes under the digest of every module. */
  tamper(): void {
    for (const [digest, bytes] of this.#blobs)
      if (bytes.length > 100) this.#blobs.set(digest, Buffer.concat([bytes, Buffer.from('x')]));
  }

  get #basic(): string {
    return `Basic ${Buffer.from(`${this.login?.username}:${this.login?.password}`).toString('base64')}`;
  }

  get #accepted(): string {
    return this.scheme === 'basic' ? this.#basic : 'Bearer a-token';
  }

  #layer(mediaType: string, bytes: Buffer): Layer {
    const digest = digestOf(bytes);
    this.#blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  #manifest(repository: string, tag: string, mediaType: string, config: Layer, layers: readonly Layer[]): string {
    return this.#store(repository, tag, mediaType, { schemaVersion: 2, mediaType, config, layers });
  }

  #store(repository: string, tag: string, type: string, content: unknown): string {
    const bytes = Buffer.from(JSON.stringify(content));
    const digest = digestOf(bytes);
    for (const reference of [tag, digest]) this.#manifests.set(`${repository}:${reference}`, { type, bytes });
    return digest;
  }
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function tarOf(path: string, bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(512);
  new Header({ path, type: 'File', size: bytes.length, mode: 0o644 }).encode(header);
  return gzipSync(Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512), Buffer.alloc(1024)]));
}
