// Credentials of image registries, from a file as `docker login` writes it.
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { StepFailed } from '../step.ts';

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** Null: nobody has logged in there. */
export type Logins = (host: string) => Login | null;

export const NO_LOGINS: Logins = () => null;

interface Auth {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
}

/** $DOCKER_CONFIG/config.json or ~/.docker/config.json; no such file: no logins. Throws StepFailed. */
export async function dockerLogins(): Promise<Logins> {
  const file = join(process.env.DOCKER_CONFIG || join(homedir(), '.docker'), 'config.json');
  try {
    return parseLogins(await readFile(file, 'utf8'), file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NO_LOGINS;
    throw error;
  }
}

/** `name` is told in errors, never what is in it. Throws StepFailed (resolve, usage). */
export function parseLogins(text: string, name: string): Logins {
  let auths: Readonly<Record<string, Auth>>;
  try {
    const content = JSON.parse(text) as { auths?: Record<string, Auth> } & Record<string, Auth>;
    auths = content.auths ?? {};
  } catch {
    throw new StepFailed('resolve', 'usage', `${name} is no JSON`);
  }
  return (host) => {
    // Docker's own registry stands under an address of its own.
    const names = host === 'docker.io' ? ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io'] : [host];
    const key = Object.keys(auths).find(
      (each) => names.includes(each) || names.includes(each.replace(/^https?:\/\/([^/]+).*$/, '$1')),
    );
    return key === undefined ? null : loginOf(auths[key]);
  };
}

function loginOf({ auth, username, password }: Auth): Login | null {
  if (username !== undefined && password !== undefined) return { username, password };
  if (auth === undefined) return null;
  const decoded = Buffer.from(auth, 'base64').toString('utf8');
  const at = decoded.indexOf(':');
  return at < 0 ? null : { username: decoded.slice(0, at), password: decoded.slice(at + 1).replace(/\0+$/, '') };
}
