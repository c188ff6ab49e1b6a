// Options that several commands of `mesh plugin` have, and values of theirs.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ROOT_NAMESPACE } from '../../core/config/attachment.ts';
import type { Configuration } from '../../plugins/configuration.ts';
import { LOCKFILE } from '../../plugins/lockfile.ts';
import type { TrustPolicy } from '../../plugins/trust/verify.ts';
import { meshHome } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { timeoutOption } from '../parse.ts';

export interface ChangeFlags {
  readonly namespace: string;
  readonly lockfile: string;
  readonly wait: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

/** Installed there unless it is said otherwise: a plugin is for every proxy. */
export const NAMESPACE_HELP = 'of its Plugin resource: for workloads there, or, by default, for all';

/** Of every command that changes an installed plugin. `yes`: what it would ask; scripts say --yes to all of them. */
export function changeOptions(command: Command, yes = 'for scripts; this command asks nothing anyway'): Command {
  return command
    .option('-y, --yes', yes)
    .option('-n, --namespace <name>', NAMESPACE_HELP, ROOT_NAMESPACE)
    .option('--lockfile <file>', 'where its digest is kept', LOCKFILE)
    .option('--wait', 'until every proxy runs it (that is so unless --no-wait)', true)
    .option('--no-wait', 'end when the change is stored')
    .addOption(timeoutOption())
    .option('--json', 'print JSON');
}

export interface TrustFlags {
  readonly provenance: TrustPolicy['mode'];
  readonly builtBy: readonly string[];
  readonly key?: string;
  readonly sigstoreMirror?: string;
  readonly sigstoreRoot?: string;
}

/** Of commands that fetch packages. */
export function trustOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--provenance <policy>', 'signature and provenance of packages: unchecked, told, or required')
        .choices(['off', 'warn', 'enforce'])
        .env('MESH_PLUGIN_PROVENANCE')
        .default('warn'),
    )
    .option(
      '--built-by <repositories>',
      "who may have built it: 'github.com/acme/*'; implies enforce; repeatable",
      list,
      [],
    )
    .option('--key <file>', 'the public key (cosign) that must have signed an image')
    .addOption(
      new Option('--sigstore-mirror <url>', 'another Sigstore than the public one').env('MESH_SIGSTORE_MIRROR'),
    )
    .addOption(new Option('--sigstore-root <file>', 'its first TUF root').env('MESH_SIGSTORE_ROOT'));
}

/** Throws CliError (usage). */
export async function trustPolicy(flags: TrustFlags): Promise<TrustPolicy> {
  const { provenance, builtBy, sigstoreMirror, sigstoreRoot } = flags;
  if ((sigstoreMirror === undefined) !== (sigstoreRoot === undefined)) {
    throw new CliError('--sigstore-mirror and --sigstore-root go together', EXIT.usage);
  }
  const key =
    flags.key === undefined
      ? undefined
      : await readFile(flags.key, 'utf8').catch((error: Error) => {
          throw new CliError(`--key: ${error.message}`, EXIT.usage);
        });
  const trustRoot =
    sigstoreMirror === undefined || sigstoreRoot === undefined
      ? undefined
      : { mirror: sigstoreMirror, root: sigstoreRoot, cache: join(meshHome(), 'sigstore') };
  return { mode: builtBy.length > 0 ? 'enforce' : provenance, sources: builtBy, trustRoot, key };
}

/** Repeatable: 'http_call,shared_data'. */
export function list(text: string, before: readonly string[] = []): string[] {
  const words = text.split(',').map((word) => word.trim());
  if (words.includes('')) throw new InvalidArgumentError('names with commas between them are needed.');
  return [...before, ...words];
}

/**
 * JSON or YAML, an object, or a text for a plugin that wants one; @FILE reads a file. Throws CliError (usage). `flag` is named in
 * errors.
 */
export async function configuration(flag: string, text: string): Promise<Configuration> {
  const { parse } = await import('yaml');
  const wrong = (why: string): CliError => new CliError(`${flag}: ${why}`, EXIT.usage);
  const content = text.startsWith('@')
    ? await readFile(text.slice(1), 'utf8').catch((error: Error) => {
        throw wrong(error.message);
      })
    : text;
  let value: unknown;
  try {
    value = parse(content);
  } catch (error) {
    throw wrong(`neither JSON nor YAML: ${(error as Error).message}`);
  }
  if (Array.isArray(value)) throw wrong('a configuration is an object or a text, and this is a list');
  // What YAML makes of a text is not what was written.
  return typeof value === 'object' && value !== null ? (value as Configuration) : content;
}
