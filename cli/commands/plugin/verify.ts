// `mesh plugin verify`: whether the mesh runs what the lockfile says, byte by byte.
import type { Command } from 'commander';
import { ROOT_NAMESPACE } from '../../../core/config/attachment.ts';
import type { PluginResource } from '../../../plugins/install/resource.ts';
import { CliError, EXIT } from '../../exit.ts';
import { print, printJson, table } from '../../output.ts';
import { NAMESPACE_HELP } from '../../plugin/options.ts';

interface Finding {
  readonly name: string;
  readonly ok: boolean;
  /** 'ok', or what is wrong. */
  readonly finding: string;
}

export function addVerifyCommand(group: Command): void {
  group
    .command('verify')
    .description('Compare what the mesh has with the lockfile: resources, digests, and the bytes of every module')
    .argument('[names...]', 'only these')
    .option('-n, --namespace <name>', NAMESPACE_HELP, ROOT_NAMESPACE)
    .option('--lockfile <file>', 'where the digests are kept', 'mesh-plugins.lock')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nEnds with 3 when anything is different.\n\nExamples:\n  $ mesh plugin verify\n  $ mesh plugin verify jwt --json',
    )
    .action(async (names: readonly string[], options: { namespace: string; lockfile: string; json?: boolean }) => {
      const [{ Api }, { inSteps }, { label }, { readLockfile }, { digestOf }] = await Promise.all([
        import('../../api.ts'),
        import('../../plugin/progress.ts'),
        import('../../../plugins/install/resource.ts'),
        import('../../../plugins/lockfile.ts'),
        import('../../../bus/digest.ts'),
      ]);
      const api = await Api.open();
      const locked = await inSteps(() => readLockfile(options.lockfile), 'nothing was compared');
      const items = (await api.resources({ kind: 'Plugin' })).items as PluginResource[];
      const installed = new Map(items.map((plugin) => [label(plugin), plugin.spec]));
      const own = `${options.namespace}/`;
      const wanted =
        names.length > 0
          ? names.map((name) => own + name)
          : [...new Set([...Object.keys(locked), ...installed.keys()])];
      const findings: Finding[] = [];
      for (const name of wanted.filter((key) => key.startsWith(own)).sort()) {
        const entry = locked[name];
        const spec = installed.get(name);
        const tell = (finding: string): void => {
          findings.push({ name: name.slice(own.length), ok: finding === 'ok', finding });
        };
        if (entry === undefined)
          tell(spec === undefined ? 'is not installed' : 'is installed, but not in the lockfile');
        else if (spec === undefined) tell('is in the lockfile, but not installed');
        else if (spec.digest !== entry.digest) tell(`runs ${spec.digest}, the lockfile says ${entry.digest}`);
        else {
          const bytes = await api.module(entry.digest);
          if (bytes === null) tell(`its module ${entry.digest} is not in the mesh`);
          else tell(digestOf(bytes) === entry.digest ? 'ok' : `its module has the digest ${digestOf(bytes)}`);
        }
      }
      if (options.json === true) printJson(findings);
      else
        print(
          findings.length === 0
            ? 'no plugins'
            : table(
                ['NAME', 'FINDING'],
                findings.map(({ name, finding }) => [name, finding]),
              ),
        );
      const wrong = findings.filter(({ ok }) => !ok).length;
      if (wrong > 0)
        throw new CliError(`${wrong} of ${findings.length} plugins are not what the lockfile says`, EXIT.refused);
    });
}
