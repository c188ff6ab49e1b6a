// `mesh get`: the configuration as it is, as a table, YAML that can be applied again, or JSON.
import { type Command, Option } from 'commander';
import type { Resource } from '../../core/config/resource.ts';
import { CliError } from '../exit.ts';
import { print, printJson, table } from '../output.ts';

interface Options {
  readonly namespace?: string;
  readonly output: 'table' | 'yaml' | 'json';
  readonly json?: boolean;
}

export function getCommand(program: Command): void {
  program
    .command('get')
    .description('Print resources of the newest revision')
    .argument(
      '[kind]',
      'such as VirtualService, virtualservices, vs, or KIND/NAMESPACE/NAME; all kinds without it',
      'all',
    )
    .argument('[name]', 'only this one')
    .option('-n, --namespace <name>', 'only this namespace')
    .addOption(new Option('-o, --output <format>', 'how').choices(['table', 'yaml', 'json']).default('table'))
    .option('--json', 'the same as -o json')
    .addHelpText(
      'after',
      `
Examples:
  $ mesh get
  $ mesh get vs reviews -o yaml > reviews.yaml`,
    )
    .action(async (word: string, name: string | undefined, options: Options) => {
      const { Api } = await import('../api.ts');
      const wanted =
        word === 'all' ? null : (await import('../named.ts')).named(name === undefined ? [word] : [word, name])[0];
      const query = { ...wanted, namespace: wanted?.namespace ?? options.namespace };
      const api = await Api.open();
      const { revision, items } = await api.resources(query);
      if (wanted?.name !== undefined && items.length === 0) {
        const others = await api.resources({ kind: wanted.kind });
        const { doesNotExist } = await import('../named.ts');
        throw new CliError(doesNotExist({ ...wanted, namespace: query.namespace }, others.items));
      }
      // A list as Kubernetes has it, which `mesh apply` takes.
      if (options.json === true || options.output === 'json') {
        printJson({ apiVersion: 'v1', kind: 'List', revision, items });
      } else if (options.output === 'yaml') await printYaml(items);
      else print(items.length === 0 ? 'no resources' : asTable(items));
    });
}

function asTable(items: readonly Resource[]): string {
  const rows = items.map(({ kind, metadata, spec }) => [kind, metadata.namespace || '-', metadata.name, about(spec)]);
  rows.sort((a, b) => (a.join(' ') < b.join(' ') ? -1 : 1));
  return table(['KIND', 'NAMESPACE', 'NAME', 'HOSTS'], rows);
}

/** Which hosts it speaks of. */
function about(spec: unknown): string {
  const { hosts, host, servers } = spec as {
    hosts?: unknown;
    host?: unknown;
    servers?: readonly { hosts?: string[] }[];
  };
  if (typeof host === 'string') return host;
  if (Array.isArray(hosts)) return hosts.join(',');
  if (Array.isArray(servers)) return [...new Set(servers.flatMap((server) => server.hosts ?? []))].join(',');
  return '-';
}

async function printYaml(items: readonly Resource[]): Promise<void> {
  const { stringify } = await import('yaml');
  print(items.map((item) => stringify(item, { lineWidth: 0 }).trimEnd()).join('\n---\n'));
}
