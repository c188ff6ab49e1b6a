// Options that several commands of `mesh plugin` have, and values of theirs.
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { Configuration } from '../../plugins/configuration.ts';
import { LOCKFILE } from '../../plugins/lockfile.ts';
import { CliError, EXIT } from '../exit.ts';
import { timeoutOption } from '../parse.ts';

export interface ChangeFlags {
  readonly namespace: string;
  readonly lockfile: string;
  readonly wait: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

/** Of every command that changes an installed plugin. */
export function changeOptions(command: Command): Command {
  return command
    .option('-n, --namespace <name>', 'where its Plugin resource is', 'default')
    .option('--lockfile <file>', 'where its digest is kept', LOCKFILE)
    .option('--wait', 'until every proxy runs it (that is so unless --no-wait)', true)
    .option('--no-wait', 'end when the change is stored')
    .addOption(timeoutOption())
    .option('--json', 'print JSON');
}

/** Repeatable: 'http_call,shared_data'. */
export function list(text: string, before: readonly string[] = []): string[] {
  const words = text.split(',').map((word) => word.trim());
  if (words.includes('')) throw new InvalidArgumentError('names with commas between them are needed.');
  return [...before, ...words];
}

/** JSON or YAML, an object; @FILE reads a file. Throws CliError (usage). `flag` is named in errors. */
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
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('a configuration is an object');
  return value as Configuration;
}
