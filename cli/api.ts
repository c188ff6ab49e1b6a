// The control plane's API as commands call it. Turns its refusals into errors with the right exit code.
import type { SignedAccess } from '../bus/access-types.ts';
import type { StoredSecret } from '../bus/secret-types.ts';
import type { Origin, Position } from '../bus/types.ts';
import type { Grant } from '../control/access/caller.ts';
import type { Outsider } from '../control/access/outsiders.ts';
import type { AccessToken } from '../control/access/tokens.ts';
import type { ChangeResult, Difference } from '../control/answers.ts';
import type { ModuleFiles } from '../control/apply.ts';
import type { RotationReport } from '../control/authority/rotation.ts';
import type { SourceFile } from '../control/checker/messages.ts';
import type { Bounds, Joined, TokenReport } from '../control/joining/tokens.ts';
import type { StoredModule } from '../control/modules.ts';
import type { ProxyReport, RolloutReport } from '../control/rollout.ts';
import type { Restored, SecretReport } from '../control/secrets.ts';
import type { Resource } from '../core/config/resource.ts';
import { type Context, readContext } from './context.ts';
import { type CredentialSource, type Credentials, credentialsOf } from './credentials.ts';
import { CliError, done } from './exit.ts';
import { type Answer, call } from './http.ts';
import { type Refusal, refusal } from './refusal.ts';
import { weftVersion } from './version.ts';

export interface Revision {
  readonly revision: number;
  readonly parent: number;
  readonly time: string;
  readonly author: string;
  /** Not of revisions that are older than that was kept. */
  readonly origin?: Origin;
  readonly message: string;
  /** How many resources it wrote and deleted. */
  readonly upserts: number;
  readonly removals: number;
}

export interface ApplyOptions {
  readonly dryRun?: boolean;
  readonly parent?: number;
  readonly message?: string;
}

export interface Commit {
  readonly revision: number;
  readonly parent: number;
  readonly time: string;
  readonly upserts: readonly { readonly key: string; readonly body: Resource }[];
  readonly removals: readonly string[];
}

/** A machine as it joined: what it proves itself by, and where NATS is. */
export interface Machine extends Joined {
  readonly bus: Context['bus'];
}

export interface NewToken extends Bounds {
  readonly ttlSeconds: number;
  readonly uses: number;
}

/** Whom a token stands for. */
export interface Whoami {
  readonly name: string;
  readonly grants: readonly Grant[];
  /** ISO 8601; null: never. */
  readonly expires: string | null;
  /** From which the control plane is asked. */
  readonly address: string;
}

/** Modules of WasmPlugins are fetched meanwhile, from registries that may be slow and are asked again. */
const APPLY_MS = 180_000;

/** Kept with what it changes. */
const CLIENT = `mesh/${weftVersion()}`;

/** A module has 64 MiB at most. */
const UPLOAD_MS = 120_000;

/** Every proxy is asked. */
const ROTATE_MS = 120_000;

/** Of long lists: none holds up the control plane. */
const REVISIONS_AT_ONCE = 500;
const PROXIES_AT_ONCE = 500;

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export class Api {
  readonly url: string;
  readonly #credentials: () => Promise<Credentials>;
  readonly #ca: string | undefined;

  constructor(context: Pick<Context, 'api' | 'ca'> & CredentialSource) {
    this.url = context.api.replace(/\/$/, '');
    this.#credentials = credentialsOf(context);
    this.#ca = context.ca;
  }

  /** Of the mesh that $MESH_HOME names. */
  static async open(): Promise<Api> {
    return new Api(await readContext());
  }

  /** `modules`: digests of what file: URLs name. */
  apply(files: readonly SourceFile[], options: ApplyOptions = {}, modules?: ModuleFiles): Promise<ChangeResult> {
    return this.#change('/v1/apply', options, { files, modules }, APPLY_MS);
  }

  delete(
    what: { keys: readonly string[] } | { files: readonly SourceFile[] },
    options: ApplyOptions = {},
  ): Promise<ChangeResult> {
    return this.#change('/v1/delete', options, what);
  }

  diff(files: readonly SourceFile[], modules?: ModuleFiles): Promise<{ revision: number; diffs: Difference[] }> {
    return this.#post('/v1/diff', {}, { files, modules });
  }

  rollback(to: number, options: ApplyOptions = {}): Promise<ChangeResult> {
    return this.#change('/v1/rollback', options, { to });
  }

  /** The whole configuration, and the secrets as they are sealed. */
  backup(): Promise<{ at: Position; secrets: StoredSecret[]; access: SignedAccess[]; resources: Resource[] }> {
    return this.#get('/v1/backup', {}, APPLY_MS);
  }

  /** Makes it the whole configuration, whatever proxies run. */
  restore(
    what: { resources: readonly unknown[]; at: Position } | { from: 'log' | 'manifest' },
    options: ApplyOptions = {},
  ): Promise<ChangeResult> {
    return this.#change('/v1/restore', options, what, APPLY_MS);
  }

  async restoreSecrets(secrets: readonly StoredSecret[]): Promise<Restored> {
    const found: Restored = await this.#call('POST', '/v1/restore/secrets', {}, { secrets }, APPLY_MS);
    if (found.restored.length > 0) done.change = true;
    return found;
  }

  async restoreAccess(access: readonly SignedAccess[]): Promise<Record<'restored' | 'there' | 'foreign', string[]>> {
    const path = '/v1/restore/access';
    const found = await this.#post<Record<'restored' | 'there' | 'foreign', string[]>>(path, {}, { access });
    if (found.restored.length > 0) done.change = true;
    return found;
  }

  resources(query: {
    kind?: string;
    namespace?: string;
    name?: string;
  }): Promise<{ revision: number; items: Resource[] }> {
    return this.#get('/v1/resources', query);
  }

  /** Newest first, as many as asked for or as there are; `revision` is the newest. `before`: those below it. */
  async history(limit: number, before?: number): Promise<{ revision: number; items: Revision[] }> {
    const items: Revision[] = [];
    for (let from = before; ; from = items[items.length - 1].revision) {
      const asked = Math.min(limit - items.length, REVISIONS_AT_ONCE);
      const page: { revision: number; items: Revision[] } = await this.#get('/v1/revisions', {
        limit: asked,
        before: from,
      });
      items.push(...page.items);
      if (page.items.length < asked || items.length >= limit) return { revision: page.revision, items };
    }
  }

  /** Answers when every proxy has, or after `timeoutMs`. */
  rollout(revision: number, timeoutMs: number): Promise<RolloutReport> {
    return this.#get(`/v1/revisions/${revision}/rollout`, { timeoutMs }, timeoutMs + 10_000);
  }

  /** One commit, with what it changed. */
  commit(revision: number): Promise<Commit> {
    return this.#get(`/v1/revisions/${revision}`, {});
  }

  /** Stores a module under its digest, 'sha256:...'. */
  putModule(digest: string, bytes: Uint8Array): Promise<{ digest: string; size: number; created: boolean }> {
    return this.#call('PUT', `/v1/modules/${digest}`, {}, bytes, UPLOAD_MS);
  }

  /** A module's bytes; null when it is not stored. */
  async module(digest: string): Promise<Uint8Array | null> {
    const { status, bytes, text } = await this.#ask('GET', `/v1/modules/${digest}`, {}, undefined, UPLOAD_MS);
    if (status === 404) return null;
    if (status === 200) return bytes;
    throw refusal(status, parse(text) as Refusal);
  }

  /** Newest first. */
  modules(): Promise<StoredModule[]> {
    return this.#get('/v1/modules', {});
  }

  /** By id. `name`: those whose id or name begins with it. */
  async proxies(name?: string): Promise<ProxyReport[]> {
    const proxies: ProxyReport[] = [];
    for (let after: string | undefined; ; after = proxies[proxies.length - 1].id) {
      const page: ProxyReport[] = await this.#get('/v1/proxies', { limit: PROXIES_AT_ONCE, name, after });
      proxies.push(...page);
      if (page.length < PROXIES_AT_ONCE) return proxies;
    }
  }

  version(): Promise<{ version: string }> {
    return this.#get('/v1/version', {}, 3_000);
  }

  /** The JWT of a proxy's user of NATS. */
  async enrol(
    proxy: string,
    user: {
      readonly namespace: string;
      readonly serviceAccount: string;
      readonly services?: readonly string[];
      readonly publicKey: string;
    },
  ): Promise<string> {
    const { jwt } = await this.#post<{ jwt: string }>(`/v1/proxies/${encodeURIComponent(proxy)}/user`, {}, user);
    return jwt;
  }

  /** By the token that is this API's. */
  join(machine: string): Promise<Machine> {
    return this.#post('/v1/join', {}, { machine });
  }

  authority(): Promise<RotationReport> {
    return this.#get('/v1/authority', {}, ROTATE_MS);
  }

  /** `root`: to begin with. `intermediate`: only what signs below the root. */
  async rotate(what: { root?: string; intermediate?: boolean } = {}): Promise<RotationReport> {
    const report: RotationReport = await this.#call('POST', '/v1/authority/rotate', {}, what, ROTATE_MS);
    done.change = true;
    return report;
  }

  createToken(token: NewToken): Promise<{ id: string; token: string }> {
    return this.#post('/v1/tokens', {}, token);
  }

  tokens(): Promise<TokenReport[]> {
    return this.#get('/v1/tokens', {});
  }

  /** How many machines can no longer enrol proxies because of it. */
  revokeToken(id: string): Promise<{ machines: number }> {
    return this.#post(`/v1/tokens/${encodeURIComponent(id)}/revoke`, {}, {});
  }

  /** What an admin endpoint of a proxy answers. */
  askProxy(proxy: string, method: 'GET' | 'POST', path: string): Promise<{ status: number; body: string }> {
    return this.#post(`/v1/proxies/${encodeURIComponent(proxy)}/ask`, {}, { method, path });
  }

  /** Puts every user of that proxy out; how many there were. */
  async revoke(proxy: string): Promise<number> {
    const path = `/v1/proxies/${encodeURIComponent(proxy)}/revoke`;
    return (await this.#post<{ revoked: number }>(path, {}, {})).revoked;
  }

  whoami(): Promise<Whoami> {
    return this.#get('/v1/whoami', {});
  }

  access(): Promise<AccessToken[]> {
    return this.#get('/v1/access', {});
  }

  /** Makes one for the API, and tells it. `namespaces`: none for the whole mesh. */
  async createAccess(wanted: {
    readonly name: string;
    readonly role: string;
    readonly namespaces?: readonly string[];
    readonly ttlSeconds: number;
  }): Promise<AccessToken & { readonly token: string }> {
    const made = await this.#post<AccessToken & { readonly token: string }>('/v1/access', {}, wanted);
    done.change = true;
    return made;
  }

  async revokeAccess(name: string): Promise<AccessToken> {
    const revoked = await this.#post<AccessToken>(`/v1/access/${encodeURIComponent(name)}/revoke`, {}, {});
    done.change = true;
    return revoked;
  }

  outsiders(): Promise<Outsider[]> {
    return this.#get('/v1/outsiders', {});
  }

  /** Whom an issuer or an authority vouches for, by name. */
  async setOutsider(name: string, to: 'revoke' | 'allow'): Promise<object> {
    const set = await this.#post<object>(`/v1/outsiders/${to}`, {}, { name });
    done.change = true;
    return set;
  }

  secrets(): Promise<SecretReport[]> {
    return this.#get('/v1/secrets', {});
  }

  /** `parts`: texts in PEM, and who of the namespace may have it. */
  async keepSecret(namespace: string, name: string, parts: object): Promise<SecretReport> {
    const made = await this.#call<SecretReport>('PUT', secretPath(namespace, name), {}, parts);
    done.change = true;
    return made;
  }

  async deleteSecret(namespace: string, name: string): Promise<object> {
    const gone = await this.#call<object>('DELETE', secretPath(namespace, name), {});
    done.change = true;
    return gone;
  }

  async #change(path: string, options: ApplyOptions, body: unknown, timeoutMs?: number): Promise<ChangeResult> {
    const result: ChangeResult = await this.#call('POST', path, { ...options }, body, timeoutMs);
    if (options.dryRun !== true) done.change = true;
    return result;
  }

  #get<T>(path: string, query: Query, timeoutMs?: number): Promise<T> {
    return this.#call('GET', path, query, undefined, timeoutMs);
  }

  #post<T>(path: string, query: Query, body: unknown): Promise<T> {
    return this.#call('POST', path, query, body);
  }

  async #call<T>(method: Method, path: string, query: Query, body?: unknown, timeoutMs?: number): Promise<T> {
    const { status, text } = await this.#ask(method, path, query, body, timeoutMs);
    if (status >= 200 && status < 300) return parse(text) as T;
    throw refusal(status, parse(text) as Refusal);
  }

  async #ask(method: Method, path: string, query: Query, body?: unknown, timeoutMs?: number): Promise<Answer> {
    const url = new URL(this.url + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const { authorization, ...tls } = await this.#credentials();
    const headers = {
      ...(authorization !== undefined && { authorization }),
      accept: 'application/json',
      'user-agent': CLIENT,
    };
    const answer = await call(url.href, {
      method,
      headers,
      body,
      timeoutMs,
      ca: this.#ca,
      ...tls,
      who: 'control plane',
    }).catch((error) => {
      if (error instanceof CliError) throw new CliError(`${error.message}. Is \`mesh up\` running?`, error.exitCode);
      throw error;
    });
    return answer;
  }
}

function secretPath(...parts: readonly string[]): string {
  return `/v1/secrets/${parts.map(encodeURIComponent).join('/')}`;
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError(`the control plane answered something that is not JSON: ${text.slice(0, 100)}`);
  }
}
