// Who may speak on the bus. An operator, whose key the control plane holds, vouches for two accounts: MESH owns everything that is
// stored, PROXIES reads and says what stands here and nothing else. An answer to a proxy stays in its own account, whatever reply
// subject it names (with one account nats-server publishes answers with nobody's permissions, the log's subjects included: tried).
import { hash } from 'node:crypto';
import { type Account, encodeAccount, encodeOperator, encodeUser } from '@nats-io/jwt';
import { exportsOf, type Identity, proxyPermissions, subjectToken } from '../subjects.ts';
import { NKey } from './nkey.ts';

/** Seeds of the operator and of the accounts. Whoever has them may do everything. */
export interface BusKeys {
  readonly operator: string;
  readonly system: string;
  readonly mesh: string;
  readonly proxies: string;
}

/** A user of NATS: what it is by its JWT, proven with its seed. */
export interface Credentials {
  readonly jwt: string;
  readonly seed: string;
}

/** Users that are no longer let in, by public key: those that were made before that second of the epoch. */
export type Revocations = Readonly<Record<string, number>>;

/** What nats-server is told of the accounts. */
export interface AccountTokens {
  readonly operator: string;
  readonly systemAccount: string;
  /** JWTs of the accounts by their public keys. */
  readonly accounts: Readonly<Record<string, string>>;
}

const UNLIMITED = { subs: -1, data: -1, payload: -1, conn: -1, imports: -1, exports: -1, wildcards: true, leaf: 0 };
const STORES = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
const NO_STORE = { mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 };
/** Of one message of a proxy; a lease or a status has at most 128 KiB. */
const PROXY_PAYLOAD = 160 * 1024;
const PROXY_SUBSCRIPTIONS = 32;

export function makeBusKeys(): BusKeys {
  return {
    operator: NKey.generate('operator').seed,
    system: NKey.generate('account').seed,
    mesh: NKey.generate('account').seed,
    proxies: NKey.generate('account').seed,
  };
}

export async function accountTokens(keys: BusKeys, revocations: Revocations = {}): Promise<AccountTokens> {
  const operator = new NKey(keys.operator);
  const systemAccount = publicKey(keys.system);
  const account = (name: string, seed: string, claims: Partial<Account>) =>
    encodeAccount(name, new NKey(seed), claims, { signer: operator });
  const [system, mesh, proxies] = await Promise.all([
    account('SYS', keys.system, { limits: { ...UNLIMITED, ...NO_STORE } }),
    account('MESH', keys.mesh, {
      limits: { ...UNLIMITED, ...STORES },
      exports: exportsOf().map(({ name: called, subject, type }) => ({ name: called, subject, type })),
    }),
    proxiesAccount(keys, revocations),
  ]);
  return {
    operator: await encodeOperator('weft', operator, { system_account: systemAccount }),
    systemAccount,
    accounts: { [systemAccount]: system, [publicKey(keys.mesh)]: mesh, [publicKey(keys.proxies)]: proxies },
  };
}

/** The account of the proxies as it is with these users revoked. */
export function proxiesAccount(keys: BusKeys, revocations: Revocations): Promise<string> {
  const account = publicKey(keys.mesh);
  const imports = exportsOf().map(({ name, subject, local, type }) => ({
    ...{ name, subject, type, account },
    ...(local !== undefined && { local_subject: local }),
  }));
  const claims = { limits: { ...UNLIMITED, ...NO_STORE }, imports, revocations: { ...revocations } };
  return encodeAccount('PROXIES', new NKey(keys.proxies), claims, { signer: new NKey(keys.operator) });
}

/** A user that may do all that its account may. `of`: 'mesh' for a control plane, 'system' for asking servers about themselves. */
export async function accountUser(keys: BusKeys, of: 'mesh' | 'system' | 'proxies'): Promise<Credentials> {
  const { seed, publicKey: key } = NKey.generate('user');
  return { seed, jwt: await encodeUser(of, key, new NKey(keys[of]), { subs: -1, data: -1, payload: -1 }) };
}

/**
 * The JWT of one proxy's user, which may speak for that proxy alone until `expires`, in seconds of the epoch. Put together here, as
 * the library would: that waits for a digest on another thread, and whole meshes join at a time.
 */
export function proxyUser(keys: BusKeys, key: string, identity: Identity, expires: number): string {
  const { publish, subscribe } = proxyPermissions(identity);
  const signer = signerOf(keys);
  const claims = {
    exp: expires,
    name: subjectToken(identity.node),
    sub: key,
    nats: {
      ...{ data: -1, payload: PROXY_PAYLOAD, subs: PROXY_SUBSCRIPTIONS },
      ...{ pub: { allow: publish }, sub: { allow: subscribe } },
      ...{ type: 'user', version: 2 },
    },
    aud: 'NATS',
    iss: signer.publicKey,
    iat: Math.floor(Date.now() / 1_000),
  };
  const jti = hash('sha256', JSON.stringify(claims), 'base64url');
  const said = `${JWT_HEADER}.${Buffer.from(JSON.stringify({ ...claims, jti })).toString('base64url')}`;
  return `${said}.${Buffer.from(signer.sign(Buffer.from(said))).toString('base64url')}`;
}

const JWT_HEADER = Buffer.from('{"typ":"JWT","alg":"ed25519-nkey"}').toString('base64url');
const SIGNERS = new WeakMap<BusKeys, NKey>();

/** Read once. */
function signerOf(keys: BusKeys): NKey {
  const known = SIGNERS.get(keys);
  if (known !== undefined) return known;
  const signer = new NKey(keys.proxies);
  SIGNERS.set(keys, signer);
  return signer;
}

export function publicKey(seed: string): string {
  return new NKey(seed).publicKey;
}
