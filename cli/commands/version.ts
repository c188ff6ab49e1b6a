// `mesh version`: this program's, and the control plane's when there is one.
import type { Command } from 'commander';
import { print, printJson } from '../output.ts';
import { weftVersion } from '../version.ts';

export function versionCommand(program: Command): void {
  program
    .command('version')
    .description('Print the version of this program and of the control plane')
    .option('--client', 'only of this program')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh version\n  $ mesh version --client --json')
    .action(async (options: { client?: boolean; json?: boolean }) => {
      const client = { version: weftVersion(), node: process.versions.node };
      const control = options.client === true ? undefined : await controlVersion();
      if (options.json === true) {
        printJson({ client, control });
        return;
      }
      print(`client version: ${client.version} (Node ${client.node})`);
      if (control !== undefined) print(`control plane version: ${control ?? 'not reachable'}`);
    });
}

async function controlVersion(): Promise<string | null> {
  const [{ Api }, { CliError }] = await Promise.all([import('../api.ts'), import('../exit.ts')]);
  try {
    return (await (await Api.open()).version()).version;
  } catch (error) {
    // Asking for a version needs no mesh.
    if (error instanceof CliError) return null;
    throw error;
  }
}
