// The user of NATS by which a proxy started here speaks for itself: its key is made here and stays, beside the proxy's state, and
// the control plane makes it a user because this machine's context may ask for that.
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ProxyUser } from '../bus/types.ts';
import { NKey } from '../bus/users/nkey.ts';
import type { Node } from '../core/workload.ts';
import { Api } from './api.ts';
import type { Context } from './context.ts';
import { CliError, EXIT } from './exit.ts';

interface Kept {
  readonly seed: string;
  readonly jwt: string;
  /** Of which mesh: the key that signs its configuration. */
  readonly mesh: string;
  /** Whom it speaks for: one that was here before had another name, unless that was given. */
  readonly node: string;
  /** What it was let in to serve: for something else it is to be let in anew. */
  readonly services?: readonly string[];
}

/** Who starts a proxy that is not let in hears of it at once. */
export interface BusUser extends ProxyUser {
  /** Rejects with a CliError when the control plane says no: asking again changes nothing. */
  readonly refused: Promise<never>;
}

export function busUser(context: Context, node: Node, stateDir: string): BusUser {
  const file = join(stateDir, 'user.json');
  const mesh = context.bus.verifyKey ?? '';
  const kept = read(file, mesh, node.id);
  const seed = kept?.seed ?? NKey.generate('user').seed;
  const api = new Api(context);
  const { namespace, serviceAccount, services, id } = node;
  const { promise: refused, reject } = Promise.withResolvers<never>();
  // A proxy that serves already serves on.
  refused.catch(() => {});
  return {
    identity: { namespace, serviceAccount, node: id },
    seed,
    jwt: kept === null || isOther(kept.services, services) ? '' : kept.jwt,
    enrol: (publicKey) =>
      api.enrol(id, { namespace, serviceAccount, services, publicKey }).catch((error: unknown) => {
        if (isFinal(error)) reject(new CliError(`the control plane does not let this proxy in: ${error.message}`));
        throw error;
      }),
    refused,
    keep: (jwt) => write(file, { seed, jwt, mesh, node: id, services }),
  };
}

/** What is only not reached, or not now, is asked again. */
function isFinal(error: unknown): error is CliError {
  return error instanceof CliError && (error.exitCode === EXIT.failure || error.exitCode === EXIT.usage);
}

/** null: there is none, it is of another mesh or another proxy, or it is damaged. */
function read(file: string, mesh: string, node: string): Kept | null {
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Kept;
    if (kept.mesh !== mesh || kept.node !== node || typeof kept.jwt !== 'string') return null;
    new NKey(kept.seed);
    return kept;
  } catch {
    return null;
  }
}

/** What an earlier version kept says nothing of it. */
function isOther(kept: readonly string[] | undefined, services: readonly string[]): boolean {
  return kept !== undefined && kept.join(' ') !== services.join(' ');
}

function write(file: string, kept: Kept): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, `${JSON.stringify(kept)}\n`, { mode: 0o600 });
  chmodSync(fresh, 0o600);
  renameSync(fresh, file);
}
