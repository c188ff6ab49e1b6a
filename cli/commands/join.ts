// `mesh join`: makes this machine one of a mesh that runs elsewhere, by a token from there.
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { CliError, EXIT } from '../exit.ts';
import { print, printJson } from '../output.ts';

export function joinCommand(program: Command): void {
  program
    .command('join')
    .description('Make this machine one of a mesh that runs on another')
    .argument('<token>', 'what `mesh token create` printed there; - reads it from standard input')
    .option('--name <name>', 'what the machine is called in the list there (default: its host name)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Writes what \`mesh run\` and \`mesh proxy\` need into $MESH_HOME: they may start proxies for the service accounts that the token
is for. The control plane is known by the fingerprint in the token before anything is sent to it.

Examples:
  $ mesh join weft1/10.0.0.5:15010/...
  $ mesh join - < token`,
    )
    .action(join);
}

async function join(word: string, options: { name?: string; json?: boolean }): Promise<void> {
  const [{ readToken }, { rootOf }, { Api }, { meshHome, readContextIfThere, writeContext }] = await Promise.all([
    import('../../control/joining/token.ts'),
    import('../first-contact.ts'),
    import('../api.ts'),
    import('../context.ts'),
  ]);
  const text = word === '-' ? await fromStandardInput() : word;
  const token = readToken(text.trim());
  if (token === null) {
    throw new CliError('that is no token, or not all of one: `mesh token create` prints them, in one line', EXIT.usage);
  }
  const { api, fingerprint, proof } = token;
  const home = meshHome();
  const before = await readContextIfThere(home);
  if (before !== null && before.api !== api) {
    throw new CliError(
      `${home} is of another mesh already (${before.api}): set MESH_HOME to another folder`,
      EXIT.usage,
    );
  }
  const ca = await rootOf(api, fingerprint);
  const machine = await new Api({ api, ca, token: proof }).join(options.name ?? hostname());
  const file = await writeContext({ api, ca, token: machine.proof, machine: machine.id, bus: machine.bus });
  const { id, namespace, serviceAccounts, services } = machine;
  if (options.json === true) return printJson({ id, api, namespace, serviceAccounts, services, context: file });
  const what = services.length === 0 ? '' : `, and the services ${services.join(', ')}`;
  print(`joined         ${api} as machine ${id}`);
  print(`may run        ${serviceAccounts.join(', ')} in the namespace ${namespace}${what}`);
  print(`context        ${file}`);
}

async function fromStandardInput(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk;
    if (text.length > 10_000) break;
  }
  return text;
}
