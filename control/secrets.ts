// Keys and certificates by name: checked when they are handed over, sealed where they lie, and given to the proxies alone for which a
// Gateway or a DestinationRule names them.
import { X509Certificate } from 'node:crypto';
import type { AboutSecret, AskedSecret, Secrets as Kept, SecretData, StoredSecret } from '../bus/secret-types.ts';
import type { Lease, ProxyIdentity, Questions } from '../bus/types.ts';
import { certificatesIn, checkCredential } from '../core/config/pem.ts';
import type { Resource } from '../core/config/resource.ts';
import { type AskingNode, credentialsNamed } from '../core/snapshot/credentials-named.ts';
import { CA_SUFFIX } from '../core/snapshot/tls-servers.ts';
import type { Node } from '../core/workload.ts';
import { ApiError } from './api-error.ts';

export interface SecretsOptions {
  readonly kept: Kept;
  readonly questions: Pick<Questions, 'ask'>;
  resources(): Iterable<Resource>;
  leases(): ReadonlyMap<string, Lease>;
  readonly now?: () => number;
}

/** One of them, without what it is. */
export interface SecretReport extends AboutSecret {
  readonly namespace: string;
  readonly name: string;
}

/** What of a backup came back, by 'namespace/name'. */
export interface Restored {
  readonly restored: readonly string[];
  /** Changed since: what is there stays. */
  readonly newer: readonly string[];
  /** Sealed by the key of another mesh, or damaged. */
  readonly foreign: readonly string[];
}

const MOST = 1_000;
/** How the ids of gateways begin, as Istio's. A user of NATS is made for one id. */
const GATEWAY_ID = 'router~';
const NONE: SecretData = { cert: '', key: '', ca: '', crl: '' };
const TELL_MS = 2_000;
/** Kinds that name secrets. */
const NAMING = ['Gateway', 'DestinationRule', 'MeshConfig'];

export class Secrets {
  readonly #options: SecretsOptions;
  readonly #now: () => number;

  constructor(options: SecretsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    options.kept.answer((identity, asked) => this.#give(identity, asked));
  }

  /** Throws ApiError 400 for what no server could use. */
  async put(
    { namespace, name }: { namespace: string; name: string },
    data: SecretData,
    { by, serviceAccounts }: { by: string; serviceAccounts: readonly string[] },
  ): Promise<SecretReport> {
    const { kept } = this.#options;
    const leaf = this.#checked(data);
    const known = await kept.all();
    if (known.length >= MOST && !known.some((each) => each.namespace === namespace && each.name === name)) {
      throw new ApiError(409, `there are ${MOST} secrets already`);
    }
    const about: AboutSecret = {
      type: leaf === null ? 'cacert' : 'tls',
      changedAt: new Date(this.#now()).toISOString(),
      changedBy: by,
      identity: leaf?.subjectAltName ?? leaf?.subject ?? '',
      notAfter: leaf === null ? null : leaf.validToDate.toISOString(),
      serviceAccounts: [...serviceAccounts],
    };
    await kept.put({ namespace, name, about, sealed: kept.seal({ namespace, name, about }, data) });
    await this.#tell(namespace, [name]);
    return { namespace, name, ...about };
  }

  async list(): Promise<SecretReport[]> {
    const all = await this.#options.kept.all();
    return all
      .map(({ namespace, name, about }) => ({ namespace, name, ...about }))
      .sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1));
  }

  /** As they lie in NATS, for a backup: nobody opens them who has not the key that signs. */
  sealed(): Promise<StoredSecret[]> {
    return this.#options.kept.all();
  }

  /** Out of a backup. What is there and newer stays, and so does what the backup does not have. */
  async restore(secrets: readonly StoredSecret[]): Promise<Restored> {
    const { kept } = this.#options;
    const known = new Map((await kept.all()).map((each) => [`${each.namespace}/${each.name}`, each]));
    const found: Record<keyof Restored, string[]> = { restored: [], newer: [], foreign: [] };
    const restoredIn = new Map<string, readonly string[]>();
    for (const secret of secrets) {
      const { namespace, name, about } = secret;
      const key = `${namespace}/${name}`;
      const there = known.get(key);
      if (kept.open(secret) === null) found.foreign.push(key);
      // What nobody opens is not what anybody changed.
      else if (there !== undefined && kept.open(there) !== null && there.about.changedAt > about.changedAt)
        found.newer.push(key);
      else {
        known.set(key, secret);
        if (known.size > MOST) throw new ApiError(409, `there are ${MOST} secrets already`);
        await kept.put(secret);
        restoredIn.set(namespace, [...(restoredIn.get(namespace) ?? []), name]);
        found.restored.push(key);
      }
    }
    await Promise.all([...restoredIn].map(([namespace, names]) => this.#tell(namespace, names)));
    return found;
  }

  /** Throws ApiError 404. */
  async remove(namespace: string, name: string): Promise<void> {
    const { kept } = this.#options;
    if ((await kept.get(namespace, name)) === null) throw new ApiError(404, `there is no secret ${namespace}/${name}`);
    await kept.remove(namespace, name);
    await this.#tell(namespace, [name]);
  }

  #checked(data: SecretData): X509Certificate | null {
    try {
      checkCredential(data);
      const [pem] = certificatesIn(data.cert);
      if (pem === undefined && data.ca === '')
        throw new Error('there is neither a certificate nor whom to believe in it');
      const leaf = pem === undefined ? null : new X509Certificate(pem);
      if (leaf !== null && leaf.validToDate.getTime() <= this.#now()) {
        throw new Error(`its certificate has expired: it was valid until ${leaf.validToDate.toISOString()}`);
      }
      return leaf;
    } catch (error) {
      throw new ApiError(400, (error as Error).message);
    }
  }

  /** By who asks, and whether it is a gateway, which its user of NATS proves; for which Gateway or rule it is its labels say. */
  async #give(identity: ProxyIdentity, { name, labels }: AskedSecret): Promise<SecretData | null> {
    const { namespace, serviceAccount } = identity;
    const node: AskingNode = { role: roleOf(identity), labels, namespace };
    if (!credentialsNamed(node, this.#options.resources()).has(`kubernetes://${name}`)) {
      throw new Error(
        `no Gateway that selects ${identity.node} and no DestinationRule for it names the secret ${name}`,
      );
    }
    const whole = name.endsWith(CA_SUFFIX) ? name.slice(0, -CA_SUFFIX.length) : '';
    const found =
      (await this.#read(namespace, name, serviceAccount)) ??
      // As Istio: who a credential believes may stand in it.
      (whole === '' ? null : await this.#read(namespace, whole, serviceAccount));
    if (found === null || !name.endsWith(CA_SUFFIX)) return found;
    return { ...NONE, ca: found.ca, crl: found.crl };
  }

  async #read(namespace: string, name: string, serviceAccount: string): Promise<SecretData | null> {
    const { kept } = this.#options;
    const stored = await kept.get(namespace, name);
    if (stored === null) return null;
    const { serviceAccounts } = stored.about;
    if (serviceAccounts.length > 0 && !serviceAccounts.includes(serviceAccount)) {
      throw new Error(`the secret ${namespace}/${name} is for the service accounts ${serviceAccounts.join(', ')}`);
    }
    const data = kept.open(stored);
    if (data === null) throw new Error(`the secret ${namespace}/${name} was sealed by another key: create it again`);
    return data;
  }

  /** Who may have it looks at once; who does not hear it looks by itself. */
  async #tell(namespace: string, names: readonly string[]): Promise<void> {
    const { questions, leases } = this.#options;
    const resources = [...this.#options.resources()].filter(({ kind }) => NAMING.includes(kind));
    const asked = [...leases().values()].flatMap(({ from, node }) => {
      if (from?.namespace !== namespace) return [];
      const { labels = {} } = (node ?? {}) as Partial<Node>;
      const named = credentialsNamed({ role: roleOf(from), labels, namespace }, resources);
      if (!names.some((name) => named.has(`kubernetes://${name}`) || named.has(`kubernetes://${name}${CA_SUFFIX}`)))
        return [];
      return questions.ask(from, { method: 'POST', path: '/credentials/look' }, TELL_MS).catch(() => null);
    });
    await Promise.all(asked);
  }
}

function roleOf({ node }: ProxyIdentity): Node['role'] {
  return node.startsWith(GATEWAY_ID) ? 'gateway' : 'sidecar';
}
