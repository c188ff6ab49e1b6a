// `mesh delete`: resources by name, or those that files name, as one commit.
import type { Command } from 'commander';
import type { Api } from '../api.ts';
import { CliError, EXIT } from '../exit.ts';
import type { Named } from '../named.ts';
import { dryRunOption, each, timeoutOption } from '../parse.ts';
import type { ChangeOptions } from '../rollout.ts';

interface Options extends ChangeOptions {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly namespace: string;
  readonly message?: string;
}

export function deleteCommand(program: Command): void {
  program
    .command('delete')
    .description('Delete resources, as one revision')
    .argument('[kind]', 'such as VirtualService or vs; or KIND/NAMESPACE/NAME...')
    .argument('[name...]', 'names of that kind')
    .option('-f, --filename <file>', 'what a file, a folder or - (standard input) names; repeatable', each)
    .option('-R, --recursive', 'folders with their subfolders')
    .option('-n, --namespace <name>', 'namespace of the names', 'default')
    .option('--wait', 'until every proxy with a live lease runs it')
    .addOption(timeoutOption())
    .addOption(dryRunOption(false))
    .option('-m, --message <text>', 'for the history')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ mesh delete virtualservice reviews ratings
  $ mesh delete -f rules/fault.yaml --wait`,
    )
    .action(async (kind: string | undefined, names: readonly string[], options: Options) => {
      const { filename, dryRun, message } = options;
      if ((filename === undefined) === (kind === undefined)) {
        throw new CliError('say what to delete: either KIND NAME..., or -f FILE', EXIT.usage);
      }
      const [{ Api }, { named }, { readSources }, { reportChange }] = await Promise.all([
        import('../api.ts'),
        import('../named.ts'),
        import('../sources.ts'),
        import('../rollout.ts'),
      ]);
      const wanted = kind === undefined ? [] : named([kind, ...names]);
      if (wanted.some(({ name }) => name === undefined)) {
        throw new CliError(`which ${kind}? Names are missing`, EXIT.usage);
      }
      const api = await Api.open();
      const what =
        filename === undefined
          ? { keys: await findKeys(api, wanted, options.namespace) }
          : { files: await readSources(filename, options.recursive === true) };
      await reportChange(api, await api.delete(what, { dryRun, message }), options);
    });
}

/** Kinds that know no namespace are found in any. */
async function findKeys(api: Api, wanted: readonly Named[], fallback: string): Promise<string[]> {
  const [{ doesNotExist }, { resourceKey }] = await Promise.all([
    import('../named.ts'),
    import('../../core/config/resource.ts'),
  ]);
  const keys: string[] = [];
  for (const { kind, name, namespace = fallback } of wanted) {
    const { items } = await api.resources({ kind });
    const found = items.find(
      ({ metadata }) => metadata.name === name && (metadata.namespace === namespace || metadata.namespace === ''),
    );
    if (found === undefined) {
      throw new CliError(`${doesNotExist({ kind, namespace, name }, items)}: nothing was changed`);
    }
    keys.push(resourceKey(found));
  }
  return keys;
}
