// Whether the Node of an application heeds HTTP_PROXY. One that does not makes its calls past the sidecar, where names of services
// lead nowhere: whoever starts it should hear that before wondering.
import { execFile } from 'node:child_process';
import { basename } from 'node:path';
import { promisify } from 'node:util';

/** Started by the first `node` of PATH. */
const BY_NODE = new Set(['npm', 'npx', 'yarn', 'pnpm', 'tsx', 'ts-node', 'nodemon', 'next', 'vite']);
const TIMEOUT_MS = 5_000;

/** What to say about it; null: it heeds it, or it is not Node. */
export async function oldNodeWarning(command: readonly string[], env: NodeJS.ProcessEnv): Promise<string | null> {
  const program = basename(command[0]);
  const node = program === 'node' || program === 'nodejs' ? command[0] : BY_NODE.has(program) ? 'node' : null;
  if (node === null) return null;
  try {
    const { stdout } = await promisify(execFile)(node, ['--version'], { env, timeout: TIMEOUT_MS });
    const version = stdout.trim().replace(/^v/, '');
    if (heedsProxies(version)) return null;
    return `the application's Node is ${version}, which does not heed HTTP_PROXY: its calls go past the sidecar, and names of services are not found. Node 24 does, and 22 from 22.21 on`;
  } catch {
    // Starting the application itself tells what is wrong with its command.
    return null;
  }
}

/** NODE_USE_ENV_PROXY came with 24.0 and 22.21. */
export function heedsProxies(version: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  return major >= 24 || (major === 22 && minor >= 21);
}
