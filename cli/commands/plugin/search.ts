// `mesh plugin search`: packages of plugins in the registry.
import type { Command } from 'commander';
import { note, print, printJson, table } from '../../output.ts';

export function addSearchCommand(group: Command): void {
  group
    .command('search')
    .description('Find plugins in the npm registry, by the keyword mesh-plugin')
    .argument('[words...]', 'what they are about')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh plugin search\n  $ mesh plugin search rate limit')
    .action(async (words: readonly string[], options: { json?: boolean }) => {
      const [{ searchPlugins }, { OFFICIAL_SCOPE }, { inSteps }] = await Promise.all([
        import('../../../plugins/source/search.ts'),
        import('../../../plugins/source/spec.ts'),
        import('../../plugin/progress.ts'),
      ]);
      const found = await inSteps(() => searchPlugins(words, process.cwd()), 'nothing was found');
      if (options.json === true) {
        printJson(found);
        return;
      }
      const official = `${OFFICIAL_SCOPE}/plugin-`;
      const rows = found.map(({ name, version, description }) => [
        name.startsWith(official) ? name.slice(official.length) : name,
        version,
        name.startsWith(`${OFFICIAL_SCOPE}/`) ? 'yes' : 'no',
        description.slice(0, 80),
      ]);
      print(rows.length === 0 ? 'no plugins' : table(['NAME', 'VERSION', 'OFFICIAL', 'DESCRIPTION'], rows));
      if (rows.length > 0) note('`mesh plugin info NAME` says what one will be able to do');
    });
}
