// `mesh access`: tokens that let others ask the control plane, each with a name, a role and an end.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AccessToken } from '../../control/access/tokens.ts';
import { commandGroup } from '../command-group.ts';
import { describeGrants, describeNamespaces } from '../grants.ts';
import { note, print, printJson, table } from '../output.ts';
import { eachName, lifetime, name } from '../parse.ts';

interface CreateOptions {
  readonly role: string;
  readonly namespace?: readonly string[];
  readonly ttl: number;
  readonly json?: boolean;
}

export function accessCommand(program: Command): void {
  const group = commandGroup(program.command('access'))
    .description('Let others ask the control plane: tokens with a role, for the mesh or for namespaces')
    .addHelpText(
      'after',
      `
A viewer reads; an operator also changes the configuration, keeps secrets and starts proxies; an admin also restores, rotates the authority
and makes tokens.

Examples:
  $ mesh access create ci --role operator --namespace shop > ci-token
  $ mesh access list`,
    );
  group
    .command('create')
    .description('Make a token and print it, this once')
    .argument('<name>', 'under which its changes are kept', name)
    .addOption(
      new Option('--role <role>', 'what it may do').choices(['viewer', 'operator', 'admin']).makeOptionMandatory(),
    )
    .option('-n, --namespace <name>', 'only there; repeatable (default: the whole mesh)', eachName)
    .option('--ttl <time>', 'how long it is valid, from 1m to 3650d', lifetime, lifetime('30d'))
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh access create eve --role viewer --ttl 12h')
    .action(create);
  group
    .command('list')
    .alias('ls')
    .description('Print which tokens there are, never what they say, and who is let in no more')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh access list')
    .action(list);
  group
    .command('revoke')
    .description('End a token, or lock out who comes by an issuer or a certificate; at once')
    .argument('<name>', 'as `mesh access list` prints it, or oidc:NAME or cert:NAME', holder)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh access revoke ci\n  $ mesh access revoke oidc:alice')
    .action(revoke);
  group
    .command('allow')
    .description('Let somebody in again who was locked out by `mesh access revoke oidc:NAME` or cert:NAME')
    .argument('<name>', 'oidc:NAME or cert:NAME', outsider)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh access allow oidc:alice')
    .action(allow);
}

async function create(wanted: string, { role, namespace, ttl, json }: CreateOptions): Promise<void> {
  const { Api } = await import('../api.ts');
  const api = await Api.open();
  const made = await api.createAccess({ name: wanted, role, namespaces: namespace, ttlSeconds: ttl });
  if (json === true) return printJson(made);
  note(`${wanted} is ${describeGrants([made])} until ${made.expires}; what it says is told now and never again:`);
  print(made.token);
}

async function list({ json }: { readonly json?: boolean }): Promise<void> {
  const { Api } = await import('../api.ts');
  const api = await Api.open();
  const [tokens, outsiders] = await Promise.all([api.access(), api.outsiders()]);
  if (json === true) return printJson([...tokens, ...outsiders]);
  const rows = [...tokens.map(row), ...outsiders.map((each) => [each.name, '-', '-', 'revoked', '-', '-', '-'])];
  print(rows.length === 0 ? 'no tokens yet' : table(TITLES, rows));
}

async function revoke(wanted: string, { json }: { readonly json?: boolean }): Promise<void> {
  const { Api } = await import('../api.ts');
  const api = await Api.open();
  const revoked = isOutside(wanted) ? await api.setOutsider(wanted, 'revoke') : await api.revokeAccess(wanted);
  if (json === true) printJson(revoked);
  else print(`${wanted} is revoked`);
}

async function allow(wanted: string, { json }: { readonly json?: boolean }): Promise<void> {
  const { Api } = await import('../api.ts');
  const allowed = await (await Api.open()).setOutsider(wanted, 'allow');
  if (json === true) printJson(allowed);
  else print(`${wanted} is let in again, as far as somebody vouches for it`);
}

function isOutside(wanted: string): boolean {
  return /^(?:oidc|cert):./.test(wanted);
}

function holder(text: string): string {
  return isOutside(text) ? outsider(text) : name(text);
}

function outsider(text: string): string {
  if (isOutside(text) && text.length <= 200) return text;
  throw new InvalidArgumentError('oidc:NAME or cert:NAME is needed, as `mesh history` and `mesh whoami` have it.');
}

const TITLES = ['NAME', 'ROLE', 'NAMESPACES', 'STATE', 'EXPIRES', 'CREATED BY', 'LAST USED'];

function row({ name: own, role, namespaces, state, expires, createdBy, lastUsed }: AccessToken): string[] {
  const short = (time: string): string => time.replace(/\.\d+Z$/, 'Z');
  const used = lastUsed === null ? 'never' : short(lastUsed);
  return [own, role, describeNamespaces(namespaces), state, short(expires), createdBy, used];
}
