// One repository of an image registry: manifests and blobs, checked against their digests, through the guarded client.
import { setTimeout as delay } from 'node:timers/promises';
import { digestOf } from '../../bus/digest.ts';
import { type Fetched, FetchFailed, guardedFetch } from '../../core/fetch/guarded-fetch.ts';
import { StepFailed } from '../step.ts';
import type { Logins } from './credentials.ts';
import { type ImageReference, imageName } from './reference.ts';

export interface OciOptions {
  /** Networks of one's own and this machine may be reached. */
  readonly allowPrivate: boolean;
  readonly logins: Logins;
  /** Of one request. */
  readonly timeoutMs?: number;
}

export interface Manifest {
  readonly mediaType?: string;
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
  /** Of an index. */
  readonly manifests?: readonly (Descriptor & { readonly platform?: { readonly architecture?: string } })[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

const MANIFESTS = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');
const MOST_MANIFEST_BYTES = 4 * 1024 * 1024;
const MOST_BLOB_BYTES = 64 * 1024 * 1024;
const TIMEOUT_MS = 15_000;
const ATTEMPTS = 3;
const PAUSE_MS = 300;

export class Repository {
  readonly #reference: ImageReference;
  readonly #options: OciOptions;
  readonly #base: string;
  #authorization: string | null = null;

  constructor(reference: ImageReference, options: OciOptions) {
    this.#reference = reference;
    this.#options = options;
    const host = reference.host === 'docker.io' ? 'registry-1.docker.io' : reference.host;
    // As Docker does it: registries of this machine speak plain HTTP.
    const scheme = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(host) ? 'http' : 'https';
    this.#base = `${scheme}://${host}/v2/${reference.repository}`;
  }

  /** By tag or digest; null when there is none. Throws StepFailed. */
  async manifest(tagOrDigest: string): Promise<{ manifest: Manifest; digest: string } | null> {
    const answer = await this.#get(`/manifests/${tagOrDigest}`, MANIFESTS, MOST_MANIFEST_BYTES);
    if (answer === null) return null;
    const digest = digestOf(answer.body);
    if (tagOrDigest.startsWith('sha256:') && digest !== tagOrDigest) throw this.#wrong('manifest', tagOrDigest, digest);
    try {
      return { manifest: JSON.parse(answer.body.toString('utf8')) as Manifest, digest };
    } catch (error) {
      throw new StepFailed(
        'fetch',
        'refused',
        `${this.#name} has a manifest that is no JSON: ${(error as Error).message}`,
      );
    }
  }

  /** Throws StepFailed. */
  async blob({ digest, size }: Descriptor): Promise<Buffer> {
    if (!/^sha256:[0-9a-f]{64}$/.test(digest))
      throw new StepFailed('fetch', 'refused', `${this.#name} has a layer without a sha256`);
    if (size > MOST_BLOB_BYTES) {
      throw new StepFailed(
        'fetch',
        'refused',
        `${this.#name} has a layer of ${size} bytes; at most ${MOST_BLOB_BYTES / 1024 / 1024} MiB are taken`,
      );
    }
    const answer = await this.#get(`/blobs/${digest}`, '*/*', MOST_BLOB_BYTES);
    if (answer === null)
      throw new StepFailed('fetch', 'missing', `${this.#name} has disappeared: its layer ${digest} is not there`);
    const found = digestOf(answer.body);
    if (found !== digest) throw this.#wrong('layer', digest, found);
    return answer.body;
  }

  get #name(): string {
    return imageName(this.#reference);
  }

  #wrong(what: string, wanted: string, found: string): StepFailed {
    return new StepFailed('verify', 'refused', `the ${what} ${wanted} of ${this.#name} has the digest ${found}`);
  }

  /** Null: 404. */
  async #get(path: string, accept: string, maxBytes: number): Promise<Fetched | null> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#ask(this.#base + path, { accept, ...this.#header() }, maxBytes);
      if (typeof answer === 'string' || answer.status >= 500) {
        if (attempt < ATTEMPTS) {
          await delay(PAUSE_MS * attempt);
          continue;
        }
        const why = typeof answer === 'string' ? answer : `${this.#reference.host} answers ${answer.status}`;
        throw new StepFailed('fetch', 'unreachable', `${why}; whether ${this.#name} is there is not known`);
      }
      if (answer.status === 200) return answer;
      if (answer.status === 404) return null;
      if (answer.status === 401 && this.#authorization === null) {
        this.#authorization = await this.#authorize(String(answer.headers['www-authenticate'] ?? ''));
        if (this.#authorization !== null) continue;
      }
      const hint =
        answer.status === 401 || answer.status === 403 ? ': log in with docker login, or give an imagePullSecret' : '';
      throw new StepFailed(
        'fetch',
        'unreachable',
        `${this.#reference.host} answers ${answer.status} for ${this.#name}${hint}`,
      );
    }
  }

  #header(): Record<string, string> {
    return this.#authorization === null ? {} : { authorization: this.#authorization };
  }

  /** What goes into the header; null: nothing can. */
  async #authorize(challenge: string): Promise<string | null> {
    const login = this.#options.logins(this.#reference.host);
    const basic =
      login === null ? null : `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`;
    if (/^basic\b/i.test(challenge)) return basic;
    const fields = new Map(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name.toLowerCase(), value]),
    );
    const realm = fields.get('realm');
    if (!/^bearer\b/i.test(challenge) || realm === undefined || !URL.canParse(realm)) return null;
    const url = new URL(realm);
    const service = fields.get('service');
    if (service !== undefined) url.searchParams.set('service', service);
    url.searchParams.set('scope', fields.get('scope') ?? `repository:${this.#reference.repository}:pull`);
    const answer = await this.#ask(url.href, basic === null ? {} : { authorization: basic }, MOST_MANIFEST_BYTES);
    if (typeof answer === 'string') throw new StepFailed('fetch', 'unreachable', answer);
    if (answer.status !== 200) return null;
    const { token, access_token } = JSON.parse(answer.body.toString('utf8')) as {
      token?: string;
      access_token?: string;
    };
    return `Bearer ${token ?? access_token}`;
  }

  /** A text: why there is no answer. */
  async #ask(url: string, headers: Record<string, string>, maxBytes: number): Promise<Fetched | string> {
    const { allowPrivate, timeoutMs = TIMEOUT_MS } = this.#options;
    try {
      return await guardedFetch(url, { timeoutMs, maxBytes, allowPrivate, headers });
    } catch (error) {
      if (!(error instanceof FetchFailed)) throw error;
      if (error.refused) throw new StepFailed('fetch', 'refused', error.message);
      return error.message;
    }
  }
}
