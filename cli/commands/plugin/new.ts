// `mesh plugin new`: a folder with a small filter that builds, tests and runs as it is.
import { join, relative, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Filtered, Language } from '../../../plugins/scaffold/scaffold.ts';
import { CliError, EXIT } from '../../exit.ts';
import { print, printJson } from '../../output.ts';
import { name as pluginName } from '../../parse.ts';
import { weftVersion } from '../../version.ts';

interface Options {
  readonly lang: Language;
  readonly type: Filtered;
  readonly dir?: string;
  readonly json?: boolean;
}

export function addNewCommand(group: Command): void {
  group
    .command('new')
    .description('Make a plugin’s folder: a small filter, its schema, tests and manifest')
    .argument('<name>', 'of the plugin: lower-case letters, digits, dashes', pluginName)
    .addOption(
      new Option('--lang <language>', 'what the filter is written in')
        .choices(['assemblyscript', 'rust', 'go'])
        .default('assemblyscript'),
    )
    .addOption(
      new Option('--type <type>', 'what it filters: requests, or connections (in assemblyscript)')
        .choices(['http', 'network'])
        .default('http'),
    )
    .option('--dir <folder>', 'where it is made (default: ./NAME)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The folder is a package for npm; \`npm run build\`, \`npm test\` and \`npm run dev\` work in it once \`npm install\` has run.

Examples:
  $ mesh plugin new greeting
  $ mesh plugin new greeting --lang rust --dir filters/greeting
  $ mesh plugin new preface --type network`,
    )
    .action(async (name: string, options: Options) => {
      const { FolderNotEmpty, scaffold } = await import('../../../plugins/scaffold/scaffold.ts');
      const { lang: language, type } = options;
      if (type === 'network' && language !== 'assemblyscript') {
        throw new CliError(`a filter of connections is made in assemblyscript, not in ${language}`, EXIT.usage);
      }
      const folder = resolve(options.dir ?? name);
      const files = await scaffold({ name, language, type, folder, weftVersion: weftVersion() }).catch(
        (error: Error) => {
          throw error instanceof FolderNotEmpty ? new CliError(error.message, EXIT.usage) : error;
        },
      );
      if (options.json === true) {
        printJson({ name, language, type, folder, files });
        return;
      }
      const shown = relative(process.cwd(), folder) || '.';
      for (const file of files) print(join(shown, file));
      print(`next: mesh plugin test ${shown} --build, or in ${shown}: npm install, npm test, npm run dev`);
    });
}
