// `mesh diff`: what applying files would change, as a unified diff of YAML.
import type { Command } from 'commander';
import type { Resource } from '../../core/config/resource.ts';
import { EXIT } from '../exit.ts';
import { note, paint, print, printJson } from '../output.ts';
import { each } from '../parse.ts';

interface Options {
  readonly filename: readonly string[];
  readonly recursive?: boolean;
  readonly exitCode?: boolean;
  readonly json?: boolean;
}

export function diffCommand(program: Command): void {
  program
    .command('diff')
    .description('Print what `mesh apply` of the same files would change')
    .requiredOption('-f, --filename <file>', 'a file, a folder or - (standard input); repeatable', each)
    .option('-R, --recursive', 'folders with their subfolders')
    .option('--exit-code', 'exit with 1 when there are differences')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ mesh diff -f rules/
  $ mesh diff -f rules/ --exit-code > /dev/null || echo 'not applied yet'`,
    )
    .action(async (options: Options) => {
      const [{ Api }, { readSources }, { moduleFiles }, { unifiedDiff }, { stringify }] = await Promise.all([
        import('../api.ts'),
        import('../sources.ts'),
        import('../module-files.ts'),
        import('../unified-diff.ts'),
        import('yaml'),
      ]);
      const api = await Api.open();
      const files = await readSources(options.filename, options.recursive === true);
      const result = await api.diff(files, await moduleFiles(api, files, false));
      const changed = result.diffs.filter(({ change }) => change !== 'unchanged');
      if (options.json === true) printJson(result);
      else if (changed.length === 0) note('no differences');
      else {
        const yaml = (resource: Resource | null) => (resource === null ? '' : stringify(resource, { lineWidth: 0 }));
        for (const { key, before, after } of changed) {
          const names = [
            before === null ? '/dev/null' : `a/${key}`,
            after === null ? '/dev/null' : `b/${key}`,
          ] as const;
          print(unifiedDiff(names, yaml(before), yaml(after)).map(coloured).join('\n'));
        }
      }
      if (changed.length > 0 && options.exitCode === true) process.exitCode = EXIT.failure;
    });
}

function coloured(line: string): string {
  if (/^(---|\+\+\+) /.test(line)) return paint('bold', line);
  if (line.startsWith('+')) return paint('green', line);
  if (line.startsWith('-')) return paint('red', line);
  return line.startsWith('@@') ? paint('dim', line) : line;
}
