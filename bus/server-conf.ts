// What the embedded nats-server is given: its configuration, and users that survive restarts. All of it is readable by the
// owner only.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { permissions, proxyUser } from './subjects.ts';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** As openBus takes them: `openBus({ servers, name, role: 'control', ...credentials.control })`. */
export interface BusCredentials {
  readonly control: Credentials & { readonly signingKey: string };
  readonly proxy: Credentials & { readonly verifyKey: string };
}

/** Passwords of proxies that have a user of their own, by node id. */
export type ProxyPasswords = Readonly<Record<string, string>>;

export async function readProxyPasswords(dir: string): Promise<ProxyPasswords> {
  const file = join(dir, PROXIES_FILE);
  const text = await readIfThere(file);
  if (text === null) return {};
  const value = parse(file, text) as ProxyPasswords;
  if (Object.values(value).every((password) => typeof password === 'string' && password !== '')) return value;
  throw new Error(`${file} is damaged; remove it to have new NATS users made`);
}

export function writeProxyPasswords(dir: string, passwords: ProxyPasswords): Promise<void> {
  return writePrivate(join(dir, PROXIES_FILE), `${JSON.stringify(passwords, null, 2)}\n`);
}

export function makePassword(): string {
  return randomBytes(24).toString('base64url');
}

const PROXIES_FILE = 'proxies.json';

/** Reads the credentials in `dir`, or makes them. */
export async function ensureCredentials(dir: string): Promise<BusCredentials> {
  const file = join(dir, 'credentials.json');
  const text = await readIfThere(file);
  if (text !== null) return check(file, text);
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const credentials: BusCredentials = {
    control: {
      user: 'control',
      password: makePassword(),
      signingKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
    },
    proxy: {
      user: 'proxy',
      password: makePassword(),
      verifyKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    },
  };
  await writePrivate(file, `${JSON.stringify(credentials, null, 2)}\n`);
  return credentials;
}

export interface ServerConf {
  readonly port: number;
  readonly storeDir: string;
  readonly pidFile: string;
  readonly credentials: BusCredentials;
  readonly proxies: ProxyPasswords;
}

/** nats-server's own format, of which JSON is a part. */
export function serverConf({ port, storeDir, pidFile, credentials, proxies }: ServerConf): string {
  const user = (role: 'control' | 'proxy') => ({
    user: credentials[role].user,
    password: credentials[role].password,
    permissions: permissions(role),
  });
  const own = Object.entries(proxies).map(([id, password]) => ({
    user: proxyUser(id),
    password,
    permissions: permissions('proxy', id),
  }));
  const conf = {
    host: '127.0.0.1',
    port,
    server_name: 'weft',
    pid_file: pidFile,
    max_payload: 1_048_576,
    max_connections: 16_384,
    // A client that does not read is cut off and catches up from the log.
    max_pending: 67_108_864,
    write_deadline: '10s',
    ping_interval: '20s',
    jetstream: { store_dir: storeDir, max_memory_store: 1_073_741_824, max_file_store: 10_737_418_240 },
    authorization: { users: [user('control'), user('proxy'), ...own] },
  };
  return `${JSON.stringify(conf, null, 2)}\n`;
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

function check(file: string, text: string): BusCredentials {
  const value = parse(file, text) as Partial<BusCredentials>;
  const { control, proxy } = value;
  const texts = [control?.user, control?.password, control?.signingKey, proxy?.user, proxy?.password, proxy?.verifyKey];
  if (!texts.every((part) => typeof part === 'string' && part !== '')) {
    throw new Error(`${file} is not complete; remove it to have new NATS users made`);
  }
  return value as BusCredentials;
}
