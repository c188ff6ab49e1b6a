// `mesh token`: what other machines join by.
import type { Command } from 'commander';
import type { TokenReport } from '../../control/joining/tokens.ts';
import { commandGroup } from '../command-group.ts';
import { note, print, printJson, table } from '../output.ts';
import { count, durationOption, name } from '../parse.ts';

interface CreateOptions {
  readonly namespace: string;
  readonly serviceAccount: readonly string[];
  readonly service?: readonly string[];
  readonly ttl: number;
  readonly uses: number;
  readonly json?: boolean;
}

export function tokenCommand(program: Command): void {
  const group = commandGroup(program.command('token'))
    .description('Make, list and revoke the tokens by which other machines join')
    .addHelpText(
      'after',
      `
Examples:
  $ mesh token create --namespace shop --service-account api
  $ mesh token list`,
    );
  group
    .command('create')
    .description('Make a token by which another machine joins, and print it, this once')
    .option('-n, --namespace <name>', 'of the workloads that may run there', name, 'default')
    .requiredOption('--service-account <name>', 'as which service account they may run; repeatable', names)
    .option('--service <name>', 'which service they may serve; repeatable (default: any of the namespace)', names)
    .addOption(durationOption('--ttl', 'how long machines may join by it', '1h', 1_000))
    .option('--uses <number>', 'how many machines may join', count, 1)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A machine that joined stays one after the token's time; \`mesh token revoke\` ends that.

Examples:
  $ mesh token create --service-account default
  $ mesh token create -n shop --service-account api --service api --ttl 15m --uses 3`,
    )
    .action(create);
  group
    .command('list')
    .alias('ls')
    .description('Print the tokens there are, and the machines that joined by them')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh token list')
    .action(list);
  group
    .command('revoke')
    .description('End a token, or one machine: nobody joins by it any more, and who did starts no more proxies')
    .argument('<id>', 'of a token, or of one machine, as `mesh token list` prints them')
    .addHelpText(
      'after',
      '\nProxies that run there run on: `mesh proxy revoke` puts them out.\n\nExamples:\n  $ mesh token revoke k3v9x2m7pq4t',
    )
    .action(revoke);
}

function names(text: string, before: readonly string[] = []): string[] {
  return [...before, name(text)];
}

async function create(options: CreateOptions): Promise<void> {
  const { Api } = await import('../api.ts');
  const { namespace, serviceAccount: serviceAccounts, service: services = [], ttl, uses } = options;
  const ttlSeconds = Math.ceil(ttl / 1000);
  const made = await (await Api.open()).createToken({ namespace, serviceAccounts, services, ttlSeconds, uses });
  if (options.json === true) printJson(made);
  else print(made.token);
}

async function list(options: { json?: boolean }): Promise<void> {
  const { Api } = await import('../api.ts');
  const tokens = await (await Api.open()).tokens();
  if (options.json === true) printJson(tokens);
  else if (tokens.length === 0) note('no token was made: `mesh token create` makes one');
  else
    print(table(['ID', 'STATE', 'LEFT', 'EXPIRES', 'NAMESPACE', 'ACCOUNTS', 'SERVICES', 'MACHINES'], tokens.map(row)));
}

function row(token: TokenReport): string[] {
  const { id, state, left, expires, namespace, serviceAccounts, services, machines } = token;
  const joined = machines.map((machine) => `${machine.name} (${machine.id})`);
  const rest = [serviceAccounts.join(','), services.join(',') || 'any', joined.join(', ') || '-'];
  return [id, state, String(left), expires, namespace, ...rest];
}

async function revoke(id: string): Promise<void> {
  const { Api } = await import('../api.ts');
  const { machines } = await (await Api.open()).revokeToken(id);
  const also =
    machines === 0
      ? ''
      : machines === 1
        ? ', and the machine that joined by it'
        : `, and the ${machines} machines that joined by it`;
  print(`${id} is revoked${also}`);
}
