// `mesh proxy-status`: every proxy with a live lease, and how it stands to the newest revision.
import type { Command } from 'commander';
import type { ProxyReport } from '../../control/rollout.ts';
import type { Problem } from '../../core/config/resource.ts';
import { describeProblem, note, oneLine, paint, print, printJson, table } from '../output.ts';
import { askForProxy, proxyName } from '../proxies.ts';

export function proxyStatusCommand(program: Command): void {
  program
    .command('proxy-status')
    .alias('ps')
    .description('Print which proxies there are and which revision each runs')
    .argument('[proxy]', 'only this one, with its problems')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
States: SYNCED runs the newest revision, STALE an older one, NACK refused it, NOT SENT has not answered yet.

Examples:
  $ mesh ps
  $ mesh ps reviews-v1`,
    )
    .action(async (wanted: string | undefined, options: { json?: boolean }) => {
      const { Api } = await import('../api.ts');
      const api = await Api.open();
      const proxies = wanted === undefined ? await api.proxies() : [await askForProxy(api, wanted)];
      if (options.json === true) printJson(wanted === undefined ? proxies : proxies[0]);
      else if (proxies.length === 0) note('no proxy is connected: start one with `mesh run` or `mesh proxy`');
      else print(wanted === undefined ? overview(proxies) : details(proxies[0]));
    });
}

function overview(proxies: readonly ProxyReport[]): string {
  const rows = proxies.map(({ id, state, revision, shards, version, admin }) => [
    proxyName(id),
    state,
    String(revision),
    String(shards),
    version,
    admin,
  ]);
  return table(['NAME', 'STATE', 'REVISION', 'SHARDS', 'VERSION', 'ADMIN'], rows)
    .replaceAll(/\bSYNCED\b/g, (state) => paint('green', state))
    .replaceAll(/\b(NACK|STALE)\b/g, (state) => paint('red', state));
}

function details(proxy: ProxyReport): string {
  const facts = [
    ['Name:', proxyName(proxy.id)],
    ['Id:', proxy.id],
    ['State:', proxy.state],
    [
      'Revision:',
      proxy.ms === null ? String(proxy.revision) : `${proxy.revision} (swapped in ${proxy.ms.toFixed(1)} ms)`,
    ],
    ['Last answer:', proxy.lastAck ?? 'none'],
    ['Shards:', String(proxy.shards)],
    ['Version:', proxy.version],
    ['Started:', proxy.startedAt],
    ['Admin:', proxy.admin],
  ];
  const lines = facts.map(([title, value]) => `${title.padEnd(14)}${oneLine(value)}`);
  const problems = (proxy.problems as Problem[]).map(
    (problem) => `  ${problem.severity}: ${oneLine(describeProblem(problem))}`,
  );
  return [...lines, ...(problems.length > 0 ? ['Problems:', ...problems] : [])].join('\n');
}
