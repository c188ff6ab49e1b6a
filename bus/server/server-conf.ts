// What the embedded nats-server is given: its configuration, and users that survive restarts. All of it is readable by the
// owner only.
import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LEASE_STREAM, STATUS_STREAM } from '../subjects.ts';
import {
  type AccountTokens,
  accountUser,
  type BusKeys,
  type Credentials,
  makeBusKeys,
  publicKey,
} from '../users/accounts.ts';

/** What reaches the bus: `openBus({ servers, name, role: 'control', ...credentials.control })`. */
export interface BusCredentials {
  readonly control: Credentials & { readonly keys: BusKeys; readonly signingKey: string };
  /** What every proxy may know. */
  readonly proxy: { readonly verifyKey: string };
}

/** Reads the credentials in `dir`, or makes them. Those of earlier versions keep the key that signs the configuration. */
export async function ensureCredentials(dir: string): Promise<BusCredentials> {
  const file = join(dir, 'credentials.json');
  const text = await readIfThere(file);
  const known = text === null ? null : check(file, text);
  if (known !== null && isWhole(known)) return known;
  const keys = makeBusKeys();
  const signing = known ?? makeSigningKeys();
  const control = { ...(await accountUser(keys, 'mesh')), keys, signingKey: signing.control.signingKey };
  const credentials: BusCredentials = { control, proxy: { verifyKey: signing.proxy.verifyKey } };
  await writePrivate(file, `${JSON.stringify(credentials, null, 2)}\n`);
  return credentials;
}

/** The parts that earlier versions had, too. */
interface SigningKeys {
  readonly control: { readonly signingKey: string };
  readonly proxy: { readonly verifyKey: string };
}

function makeSigningKeys(): SigningKeys {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    control: { signingKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64') },
    proxy: { verifyKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64') },
  };
}

export interface ServerConf {
  readonly host: string;
  readonly port: number;
  /** Files of its certificate and key, with which nobody speaks to it in plain text. null: on loopback. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
  readonly storeDir: string;
  readonly pidFile: string;
  readonly tokens: AccountTokens;
}

/** The configuration of the only one, of its machine's address or of loopback. */
export function serverConf({ host, port, tls, storeDir, pidFile, tokens }: ServerConf): string {
  return confText({
    host,
    port,
    ...(tls !== null && { tls: { cert_file: tls.certificate, key_file: tls.key, timeout: 5 } }),
    server_name: 'weft',
    pid_file: pidFile,
    ...LIMITS,
    jetstream: jetStream(storeDir),
    ...accountsConf(tokens),
    resolver: 'MEMORY',
  });
}

/** nats-server's own format, of which JSON is a part. */
export function confText(conf: object): string {
  return `${JSON.stringify(conf, null, 2)}\n`;
}

export const LIMITS = {
  max_payload: 1_048_576,
  // A client's JWT, in which each of its subjects repeats its names, is a part of one line.
  max_control_line: 131_072,
  max_connections: 16_384,
  // A client that does not read is cut off and catches up from the log.
  max_pending: 67_108_864,
  write_deadline: '10s',
  // A machine that starts many proxies at once answers late.
  authorization: { timeout: 10 },
  ping_interval: '20s',
};

export function jetStream(storeDir: string): object {
  return { store_dir: storeDir, max_memory_store: 1_073_741_824, max_file_store: 10_737_418_240 };
}

export function accountsConf({ operator, systemAccount, accounts }: AccountTokens): object {
  return { operator, system_account: systemAccount, resolver_preload: accounts };
}

/**
 * Earlier versions stored everything in nats-server's global account: what they stored becomes the mesh's. Leases and statuses,
 * which had other subjects, begin anew.
 */
export async function takeOverStore(storeDir: string, keys: BusKeys): Promise<void> {
  const [before, now] = ['$G', publicKey(keys.mesh)].map((account) => join(storeDir, 'jetstream', account));
  if (existsSync(now) || !existsSync(before)) return;
  for (const stream of [LEASE_STREAM, STATUS_STREAM]) {
    await rm(join(before, 'streams', stream), { recursive: true, force: true });
  }
  await rename(before, now);
}

/**
 * nats-server knows an account from its start when it has a folder there with something in it, else from its first client on. Where
 * clients of several accounts come at that same moment, 2.9 may make the mesh's account twice, and what the proxies' account imports
 * is then of the one that nobody else uses: no proxy reads anything until the next start (tried: 1 start of 60 with an empty store).
 * From 2.10 on, servers make it once, those of clusters therefore too.
 */
export async function keepAccountKnown(storeDir: string, keys: BusKeys): Promise<void> {
  const folder = join(storeDir, 'jetstream', publicKey(keys.mesh));
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, 'weft'), 'So that nats-server knows this account from its start.\n');
  } catch (error) {
    // What is wrong with its folder, nats-server says itself.
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
  }
}

/** Written beside and moved into place, so that nobody ever reads half of it or may read it at all. */
export async function writePrivate(file: string, text: string): Promise<void> {
  const fresh = `${file}.${process.pid}.new`;
  await writeFile(fresh, text, { mode: 0o600 });
  await rename(fresh, file);
}

export async function makePrivateFolder(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
}

export async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Error(`${file} is damaged; remove it to have new NATS users made`);
  }
}

function check(file: string, text: string): SigningKeys {
  const value = parse(file, text) as Partial<SigningKeys> | null;
  const texts = [value?.control?.signingKey, value?.proxy?.verifyKey];
  if (texts.every((part) => typeof part === 'string' && part !== '')) return value as SigningKeys;
  throw new Error(`${file} is not complete; remove it to have new NATS users made`);
}

function isWhole(credentials: SigningKeys): credentials is BusCredentials {
  const { jwt, seed, keys } = credentials.control as Partial<BusCredentials['control']>;
  const texts = [jwt, seed, keys?.operator, keys?.system, keys?.mesh, keys?.proxies];
  return texts.every((part) => typeof part === 'string' && part !== '');
}
