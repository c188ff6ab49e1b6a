// `mesh plugin list`: what is installed, where it is enabled, and how it does on the proxies that run it.
import type { Command } from 'commander';
import type { WasmPluginSpec } from '../../../core/config/kinds/wasm-plugin.ts';
import { moduleDigest } from '../../../core/config/modules.ts';
import type { Resource } from '../../../core/config/resource.ts';
import type { PluginResource } from '../../../plugins/install/resource.ts';
import { note, paint, print, printJson, table } from '../../output.ts';
import type { Running } from '../../plugin/running.ts';

interface Row {
  readonly name: string;
  readonly namespace: string;
  readonly kind: string;
  readonly version: string | null;
  readonly source: string | null;
  readonly digest: string | null;
  readonly enabled: boolean;
  /** 'app=reviews', or 'all'. */
  readonly selector: string;
  readonly phase: string | null;
  readonly running: Running | null;
}

export function addListCommand(group: Command): void {
  group
    .command('list')
    .alias('ls')
    .description('Print the installed plugins, where they are enabled, and how they do')
    .option('-n, --namespace <name>', 'only this namespace')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh plugin list\n  $ mesh plugin list --json')
    .action(async ({ namespace, json }: { namespace?: string; json?: boolean }) => {
      const [{ Api }, { surveyProxies }] = await Promise.all([
        import('../../api.ts'),
        import('../../plugin/running.ts'),
      ]);
      const api = await Api.open();
      const [plugins, wasm, survey] = await Promise.all([
        api.resources({ kind: 'Plugin', namespace }),
        api.resources({ kind: 'WasmPlugin', namespace }),
        surveyProxies(api),
      ]);
      const rows = [
        ...plugins.items.map((item) => rowOf(item as PluginResource)),
        ...wasm.items.map((item) => rowOfWasm(item as Resource<WasmPluginSpec>)),
      ]
        .map((row) => ({ ...row, running: survey.plugins.get(`${row.namespace}/${row.name}`) ?? null }))
        .sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1));
      for (const silent of survey.silent) note(`${paint('yellow', 'warning:', process.stderr)} ${silent}`);
      if (json === true) printJson(rows);
      else print(rows.length === 0 ? 'no plugins; `mesh plugin search` finds some' : asTable(rows, survey.proxies));
    });
}

function rowOf({ kind, metadata, spec }: PluginResource): Row {
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    kind,
    version: spec.version ?? null,
    source: spec.source ?? null,
    digest: spec.digest,
    enabled: spec.enabled !== false,
    selector: selected(spec.selector?.matchLabels),
    phase: spec.phase ?? null,
    running: null,
  };
}

function rowOfWasm(resource: Resource<WasmPluginSpec>): Row {
  const { kind, metadata, spec } = resource;
  const { selector, phase, targetRef, targetRefs } = spec;
  const targets = [targetRef, ...(targetRefs ?? [])].flatMap((target) =>
    target === undefined ? [] : [`${target.kind}/${target.name}`],
  );
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    kind,
    version: null,
    source: spec.url,
    digest: moduleDigest(resource),
    enabled: true,
    selector: targets.length > 0 ? targets.join(',') : selected(selector?.matchLabels),
    phase: phase === undefined || phase === 'UNSPECIFIED_PHASE' ? null : phase,
    running: null,
  };
}

function selected(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {});
  return pairs.length === 0 ? 'all' : pairs.map(([name, value]) => `${name}=${value}`).join(',');
}

function asTable(rows: readonly Row[], proxies: number): string {
  return table(
    ['NAME', 'NAMESPACE', 'VERSION', 'ENABLED', 'PROXIES', 'DIGEST', 'RESTARTS', 'MEMORY', 'P50/CALL'],
    rows.map(({ name, namespace, version, enabled, selector, digest, running }) => [
      name,
      namespace,
      version ?? '-',
      enabled ? selector : 'no',
      `${running?.proxies.length ?? 0}/${proxies}${running !== null && running.failing.length > 0 ? ` (${running.failing.length} failing)` : ''}`,
      digest?.replace('sha256:', '').slice(0, 12) ?? '-',
      String(running?.restarts ?? 0),
      running === null ? '-' : `${Math.ceil(running.memory / 1024)} KiB`,
      running === null || running.p50Micros === null ? '-' : `${running.p50Micros.toFixed(1)} µs`,
    ]),
  );
}
