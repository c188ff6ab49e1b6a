// `mesh secret`: keys and certificates that Gateways name by `credentialName`, kept sealed by the mesh and never in the configuration.
import type { Command } from 'commander';
import { commandGroup } from '../command-group.ts';
import { CliError, EXIT } from '../exit.ts';
import { print, printJson, table } from '../output.ts';
import { eachName, name } from '../parse.ts';

interface Common {
  readonly namespace: string;
  readonly json?: boolean;
}
interface CreateOptions extends Common {
  readonly serviceAccount?: readonly string[];
}
interface TlsOptions extends CreateOptions {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  readonly crl?: string;
}
type Part = 'cert' | 'key' | 'ca' | 'crl';

/** As secrets of Kubernetes name them, and as Istio reads them. */
const PARTS: Readonly<Record<string, Part>> = {
  'tls.crt': 'cert',
  cert: 'cert',
  'tls.key': 'key',
  key: 'key',
  'ca.crt': 'ca',
  cacert: 'ca',
  'ca.crl': 'crl',
  crl: 'crl',
};

export function secretCommand(program: Command): void {
  const group = commandGroup(program.command('secret'))
    .description('Keep keys and certificates for proxies: a Gateway or a DestinationRule names one by credentialName')
    .addHelpText(
      'after',
      `
A secret is given to proxies of its namespace alone: to gateways whose Gateway or DestinationRule names it, and to sidecars that the
workloadSelector of such a DestinationRule selects. A new one under the same name is shown to who connects next; connections that are open stay.

Examples:
  $ mesh secret create tls shop-credential --cert shop.pem --key shop.key
  $ mesh secret list`,
    );
  const creating = commandGroup(group.command('create')).description('Keep one, or put another one in its place');
  creating
    .command('tls')
    .description('A certificate with its key, and whose certificates are believed')
    .argument('<name>', 'as credentialName says it', name)
    .requiredOption('--cert <file>', 'the certificate, and those between it and its root (PEM)')
    .requiredOption('--key <file>', 'its private key (PEM)')
    .option(
      '--ca <file>',
      'whose certificates count: of clients of a Gateway in MUTUAL, of the server of a DestinationRule (PEM)',
    )
    .option('--crl <file>', 'which of them are revoked (PEM)')
    .option('--service-account <name>', 'who of the namespace may have it; repeatable (default: every one)', eachName)
    .option('-n, --namespace <name>', 'of the proxy', name, 'istio-system')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ mesh secret create tls shop-credential --cert shop.pem --key shop.key --ca clients.pem',
    )
    .action(createTls);
  creating
    .command('generic')
    .description('By the keys that secrets of Kubernetes have: tls.crt, tls.key, ca.crt (or cert, key, cacert), ca.crl')
    .argument('<name>', 'as credentialName says it; NAME-cacert holds whose certificates NAME believes', name)
    .requiredOption('--from-file <key=file>', 'repeatable', (text: string, all: string[] = []) => [...all, text])
    .option('--service-account <name>', 'who of the namespace may have it; repeatable (default: every one)', eachName)
    .option('-n, --namespace <name>', 'of the proxy', name, 'istio-system')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ mesh secret create generic shop-credential-cacert --from-file ca.crt=clients.pem',
    )
    .action(createGeneric);
  group
    .command('list')
    .alias('ls')
    .description('Print which secrets there are; never what is in them')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh secret list')
    .action(list);
  group
    .command('delete')
    .description('Forget one, here and at the proxies that have it')
    .argument('<name>', 'as `mesh secret list` prints it', name)
    .option('-n, --namespace <name>', 'of the proxy', name, 'istio-system')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh secret delete shop-credential')
    .action(remove);
}

async function createTls(wanted: string, { cert, key, ca, crl, ...options }: TlsOptions): Promise<void> {
  await keep(wanted, { cert, key, ...(ca !== undefined && { ca }), ...(crl !== undefined && { crl }) }, options);
}

async function createGeneric(wanted: string, options: CreateOptions & { fromFile: readonly string[] }): Promise<void> {
  const files: Partial<Record<Part, string>> = {};
  for (const text of options.fromFile) {
    const [key, ...path] = text.split('=');
    const part = PARTS[key];
    if (part === undefined || path.length === 0) {
      throw new CliError(
        `--from-file ${text}: write KEY=FILE, KEY one of ${Object.keys(PARTS).join(', ')}`,
        EXIT.usage,
      );
    }
    files[part] = path.join('=');
  }
  await keep(wanted, files, options);
}

async function keep(
  wanted: string,
  files: Partial<Record<Part, string>>,
  { namespace, serviceAccount, json }: CreateOptions,
): Promise<void> {
  const [{ Api }, { readFile }] = await Promise.all([import('../api.ts'), import('node:fs/promises')]);
  const parts: Partial<Record<Part, string>> = {};
  for (const [part, path] of Object.entries(files) as [Part, string][]) {
    parts[part] = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new CliError(
        `${path} cannot be read: ${error.code === 'ENOENT' ? 'it does not exist' : error.message}`,
        EXIT.usage,
      );
    });
  }
  const made = await (await Api.open()).keepSecret(namespace, wanted, { ...parts, serviceAccounts: serviceAccount });
  if (json === true) printJson(made);
  else
    print(`${namespace}/${wanted} is kept${made.notAfter === null ? '' : `: ${made.identity} until ${made.notAfter}`}`);
}

async function list({ json }: { readonly json?: boolean }): Promise<void> {
  const { Api } = await import('../api.ts');
  const secrets = await (await Api.open()).secrets();
  if (json === true) return printJson(secrets);
  const rows = secrets.map((each) => [
    each.name,
    each.namespace,
    each.type,
    each.identity,
    each.notAfter ?? '',
    each.changedAt.replace(/\.\d+Z$/, 'Z'),
    each.changedBy,
  ]);
  const titles = ['NAME', 'NAMESPACE', 'TYPE', 'IDENTITY', 'NOT AFTER', 'CHANGED', 'BY'];
  print(rows.length === 0 ? 'no secrets yet' : table(titles, rows));
}

async function remove(wanted: string, { namespace, json }: Common): Promise<void> {
  const { Api } = await import('../api.ts');
  const gone = await (await Api.open()).deleteSecret(namespace, wanted);
  if (json === true) printJson(gone);
  else print(`${namespace}/${wanted} is deleted`);
}
