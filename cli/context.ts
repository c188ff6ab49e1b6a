// Where `mesh` finds the mesh: $MESH_HOME with the API's address and token, and what proxies need to join. Only the owner
// may read it.
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { CliError, EXIT } from './exit.ts';

export interface Context {
  /** 'http://127.0.0.1:15010' */
  readonly api: string;
  /** Of an API that is reached by TLS: whose certificates its own is below, in PEM. */
  readonly ca?: string;
  /** '' where a command prints it, or a certificate is shown. */
  readonly token: string;
  /** Files in PEM by which it is asked in place of a token. */
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  /** For the shell: prints the token that counts now. */
  readonly tokenCommand?: string;
  /** Of a machine that joined: its id there. Its token enrols proxies and does nothing else. */
  readonly machine?: string;
  readonly bus: BusAccess;
}

/** What a proxy needs to follow the configuration and to register. */
export interface BusAccess {
  readonly servers: readonly string[];
  /** Where they speak by TLS, as that of the API. */
  readonly ca?: string;
  readonly verifyKey?: string;
}

/** $MESH_HOME, else ./.mesh when it is there, else ~/.mesh. */
export function meshHome(): string {
  const { MESH_HOME } = process.env;
  if (MESH_HOME !== undefined && MESH_HOME !== '') return resolve(MESH_HOME);
  const here = resolve('.mesh');
  return existsSync(here) ? here : join(homedir(), '.mesh');
}

/** Throws CliError when there is none. */
export async function readContext(home = meshHome()): Promise<Context> {
  const file = join(home, 'context.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT' ? `no mesh is known here (${file} does not exist)` : `${file}: ${(error as Error).message}`;
    throw new CliError(`${why}: start one with \`mesh up\`, or set MESH_HOME`, EXIT.unreachable);
  }
  const context = parse(text);
  if (context !== null) return context;
  throw new CliError(`${file} is broken: remove it and start the mesh again with \`mesh up\``);
}

/** null: there is none, or nothing that says which mesh it is of. */
export async function readContextIfThere(home: string): Promise<Context | null> {
  const text = await readFile(join(home, 'context.json'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return '';
    throw error;
  });
  return parse(text);
}

/** Of who can have proxies here, too. Throws CliError. */
export async function readMembership(): Promise<Context> {
  const context = await readContext();
  if (context.bus.servers.length > 0) return context;
  throw new CliError(
    `${join(meshHome(), 'context.json')} is of \`mesh login\`, which asks the control plane and starts no proxies: those start where \`mesh up\` or \`mesh control\` wrote the context`,
  );
}

function parse(text: string): Context | null {
  try {
    const context = JSON.parse(text) as Context;
    const whole = typeof context.api === 'string' && typeof context.token === 'string';
    return whole && Array.isArray(context.bus?.servers) ? context : null;
  } catch {
    return null;
  }
}

/** Ports of the mesh's own servers, which no request that goes through it may reach. */
export function portsOf({ api, bus }: Context): number[] {
  return [api, ...bus.servers].map((url) => Number(new URL(url).port)).filter((port) => port > 0);
}

export async function writeContext(context: Context, home = meshHome()): Promise<string> {
  await makeHome(home);
  const file = join(home, 'context.json');
  const fresh = `${file}.${process.pid}`;
  await writeFile(fresh, `${JSON.stringify(context, null, 2)}\n`, { mode: 0o600 });
  await rename(fresh, file);
  return file;
}

/** Throws CliError. */
export async function makeHome(home = meshHome()): Promise<string> {
  try {
    await makeFolder(home);
    await chmod(home, 0o700);
    return home;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = REASONS[code ?? ''] ?? message;
    throw new CliError(`the home of this mesh, ${home}, cannot be used: ${why}; set MESH_HOME to a folder of yours`);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: 'it is no folder',
  ENOTDIR: 'what it is in is no folder',
  ENOENT: 'no folder can be made there',
  EACCES: 'it is not allowed',
  EPERM: 'it is not allowed',
  EROFS: 'nothing can be written there',
  ENOSPC: 'no space is left there',
};

/** With those above it. Not by Node's own recursion, which never ends where the system says that nothing can be: /proc. */
async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { mode: 0o700 }).then(
    () => null,
    (error: NodeJS.ErrnoException) => error,
  );
  if (made === null || (made.code === 'EEXIST' && (await stat(folder)).isDirectory())) return;
  const above = dirname(folder);
  if (made.code !== 'ENOENT' || above === folder || existsSync(above)) throw made;
  await makeFolder(above);
  await mkdir(folder, { mode: 0o700 });
}
