// `mesh plugin build`: a plugin's folder to its module, and what that will be able to do.
import { relative } from 'node:path';
import type { Command } from 'commander';
import { paint, print, printJson } from '../../output.ts';

interface Options {
  readonly debug: boolean;
  readonly json?: boolean;
}

export function addBuildCommand(group: Command): void {
  group
    .command('build')
    .description('Compile a plugin’s folder: AssemblyScript, Rust by cargo, or Go')
    .argument('[folder]', 'the plugin’s folder, which holds package.json', '.')
    .option('--no-debug', 'only the module that is published')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The module is written where the manifest says (mesh.plugin.wasm). From AssemblyScript (filter.ts) a second one with names and
assertions lies beside it, and each has its source map. What does not compile is told as FILE:LINE:COLUMN, ends with exit code
1, and leaves what was built before.

Examples:
  $ mesh plugin build
  $ mesh plugin build examples/plugins/security-headers --json`,
    )
    .action(async (folder: string, options: Options) => {
      const [{ openProject }, { buildProject }] = await Promise.all([
        import('../../plugin/project.ts'),
        import('../../plugin/build.ts'),
      ]);
      const project = await openProject(folder);
      const { bytes, description, digest, debug } = await buildProject(project, options.debug ? 'both' : 'release');
      const capabilities = description.capabilities.map(({ name }) => name);
      if (options.json === true) {
        printJson({ name: project.name, wasm: project.wasm, size: bytes.length, digest, capabilities, debug });
        return;
      }
      print(`${paint('bold', shown(project.wasm))}  ${bytes.length} bytes  ${digest.slice(0, 19)}`);
      if (debug !== null) print(`${shown(debug)}  for debugging, with its source map`);
      print(`It will be able to: ${capabilities.join(', ') || 'see that requests come and go'}`);
    });
}

function shown(file: string): string {
  const near = relative(process.cwd(), file);
  return near.startsWith('..') ? file : near;
}
