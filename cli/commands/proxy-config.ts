// `mesh proxy-config`: what one proxy really has, in Istio's columns, and how much it tells.
import { type Command, Option } from 'commander';
import { commandGroup } from '../command-group.ts';
import { print, printJson } from '../output.ts';
import type { DumpTable } from '../proxy-dump.ts';

interface Options {
  readonly json?: boolean;
}

const WHAT: Readonly<Record<DumpTable, readonly [string, readonly string[]]>> = {
  listeners: ['where it listens, and for what', ['listener', 'l']],
  routes: ['its routes, in the order in which they are tried', ['route', 'r']],
  clusters: ['where its requests can go', ['cluster', 'c']],
  endpoints: ['the addresses behind its clusters, and how they do', ['endpoint', 'ep']],
  secrets: ['the certificate of its workload, and the roots that it trusts', ['secret', 's']],
  filters: ['the filters that it runs', ['filter', 'ecds']],
};

export function proxyConfigCommand(program: Command): void {
  const group = commandGroup(program.command('proxy-config').alias('pc'))
    .description('Print what one proxy has: listeners, routes, clusters, endpoints, secrets or filters')
    .addHelpText(
      'after',
      `
PROXY is a name of \`mesh proxy-status\`, the beginning of one, or the address of an admin interface.

Examples:
  $ mesh pc routes productpage-v1
  $ mesh pc endpoints ingressgateway --json
  $ mesh pc listeners http://127.0.0.1:15000`,
    );
  group
    .command('log')
    .description('Print how much a proxy tells in its log, or change it')
    .argument('<proxy>', 'name or admin address')
    .addOption(new Option('--level <level>', 'from now on').choices(['debug', 'info', 'warning', 'error']))
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh proxy-config log reviews-v1 --level debug')
    .action(async (proxy: string, { level, json }: { level?: string; json?: boolean }) => {
      const { adminOf, tellAdmin } = await import('../admin.ts');
      const admin = await adminOf(proxy);
      const path = level === undefined ? '/logging' : `/logging?level=${level}`;
      const said = (await tellAdmin(admin, 'POST', path)).trim();
      if (json === true) printJson({ proxy: admin.name, level: said.replace('level: ', '') });
      else print(`${admin.name}: ${said}`);
    });
  for (const [what, [description, aliases]] of Object.entries(WHAT)) {
    group
      .command(what)
      .aliases(aliases)
      .description(`Print ${description}`)
      .argument('<proxy>', 'name or admin address')
      .option('--json', 'print JSON')
      .addHelpText('after', `\nExamples:\n  $ mesh proxy-config ${what} reviews-v1`)
      .action(async (proxy: string, options: Options) => {
        const [{ adminOf }, { readDump, asTable }] = await Promise.all([
          import('../admin.ts'),
          import('../proxy-dump.ts'),
        ]);
        const rows = await readDump(await adminOf(proxy), what as DumpTable);
        if (options.json === true) printJson(rows);
        else print(asTable(what as DumpTable, rows));
      });
  }
}
