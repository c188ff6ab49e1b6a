// Telemetry -> what a proxy does at the end of its exchanges. Merged as Istio does: the root namespace's resource, then that
// of the workload's namespace, then the one that selects the workload; later ones win, metric by metric and tag by tag.

import { appliesTo, ROOT_NAMESPACE } from '../../config/attachment.ts';
import { labelOf } from '../../config/formats.ts';
import type { AccessLogging, Metrics, TelemetrySpec } from '../../config/kinds/telemetry.ts';
import type { Resource } from '../../config/resource.ts';
import { conditionOf, printed } from '../../expression/evaluate.ts';
import { parseCondition, parseValue } from '../../expression/parse.ts';
import type { LogRule, MetricsView, TelemetryPlan, TelemetrySide } from '../../telemetry/plan.ts';
import { ALL_FAMILIES, HTTP_LABELS } from '../../telemetry/statistics.ts';
import type { Node } from '../../workload.ts';

type Policy = Resource<TelemetrySpec>;
type Mode = 'CLIENT' | 'SERVER';
type TagOverride = { operation?: 'UPSERT' | 'REMOVE'; value?: string };

/** The providers that this proxy has. */
const METRICS_PROVIDER = 'prometheus';
const LOG_PROVIDER = 'envoy';
/** In the order of HTTP_FAMILIES. */
const METRICS = [
  'REQUEST_COUNT',
  'REQUEST_DURATION',
  'REQUEST_SIZE',
  'RESPONSE_SIZE',
  'GRPC_REQUEST_MESSAGES',
  'GRPC_RESPONSE_MESSAGES',
] as const;

/** Null when no Telemetry says anything of metrics or access logs here. `policies` by namespace and name. */
export function telemetryAt(policies: readonly Policy[], node: Node): TelemetryPlan | null {
  const specs = applicable(policies, node).map(({ spec }) => spec);
  const metrics = specs.flatMap((spec) => spec.metrics ?? []);
  const logs = specs.map((spec) => spec.accessLogging ?? []).filter((sections) => sections.length > 0);
  if (metrics.length === 0 && logs.length === 0) return null;
  const side = (mode: Mode): TelemetrySide => ({
    metrics: metrics.length === 0 ? null : viewsOf(metrics, mode),
    accessLog: logs.length === 0 ? null : logRule(logs, mode),
  });
  return { client: side('CLIENT'), server: side('SERVER') };
}

/** At most one of each level, the general before the particular. */
function applicable(policies: readonly Policy[], node: Node): Policy[] {
  const wide = (namespace: string): Policy | undefined =>
    policies.find((policy) => policy.metadata.namespace === namespace && !isAttached(policy));
  const own = policies.find(
    (policy) => policy.metadata.namespace === node.namespace && isAttached(policy) && appliesTo(policy, node),
  );
  const root = wide(ROOT_NAMESPACE);
  const namespace = node.namespace === ROOT_NAMESPACE ? undefined : wide(node.namespace);
  return [root, namespace, own].filter((policy) => policy !== undefined);
}

function isAttached({ spec }: Policy): boolean {
  const labels = Object.keys(spec.selector?.matchLabels ?? {});
  return labels.length > 0 || spec.targetRef !== undefined || (spec.targetRefs ?? []).length > 0;
}

/** Each with the providers that it is for: its own, or those of the one before it. */
function* withProviders<T extends { providers?: readonly { name: string }[] }>(
  sections: readonly T[],
  fallback: string,
): Generator<{ section: T; providers: readonly string[]; named: boolean }> {
  let providers: readonly string[] = [fallback];
  let named = false;
  for (const section of sections) {
    if (section.providers !== undefined && section.providers.length > 0) {
      providers = section.providers.map(({ name }) => name.toLowerCase());
      named = true;
    }
    yield { section, providers, named };
  }
}

/** `levels`: the sections of each resource. What the last one that names providers leaves out is out of it. */
function logRule(levels: readonly (readonly AccessLogging[])[], mode: Mode): LogRule {
  const lists = levels.map((sections) => sections.flatMap(({ providers }) => providers ?? []));
  const last = lists.findLast((list) => list.length > 0);
  const inScope = last === undefined || last.some(({ name }) => name.toLowerCase() === LOG_PROVIDER);
  let rule: { filter: string | null; named: boolean } | null = null;
  for (const { section, providers, named } of withProviders(levels.flat(), LOG_PROVIDER)) {
    if (!isFor(section.match?.mode, mode) || !providers.includes(LOG_PROVIDER)) continue;
    rule = section.disabled === true ? null : { filter: section.filter?.expression ?? null, named };
  }
  if (rule === null || !inScope) return { named: false, passes: () => false };
  if (rule.filter === null) return { named: rule.named, passes: () => true };
  return { named: rule.named, passes: conditionOf(parseCondition(rule.filter)) };
}

function viewsOf(sections: readonly Metrics[], mode: Mode): MetricsView[] | null {
  const settings = METRICS.map(() => ({ disabled: false, tags: new Map<string, TagOverride>() }));
  let counts = false;
  for (const { section, providers } of withProviders(sections, METRICS_PROVIDER)) {
    counts = providers.includes(METRICS_PROVIDER);
    if (!counts) continue;
    for (const { match, disabled, tagOverrides } of section.overrides ?? []) {
      if (!isFor(match?.mode, mode) || match?.customMetric !== undefined) continue;
      METRICS.forEach((metric, i) => {
        if ((match?.metric ?? 'ALL_METRICS') !== 'ALL_METRICS' && match?.metric !== metric) return;
        if (disabled !== undefined) settings[i].disabled = disabled;
        for (const [name, override] of Object.entries(tagOverrides ?? {}))
          settings[i].tags.set(labelOf(name), override);
      });
    }
  }
  if (!counts) return [];
  const views = new Map<string, { families: number; tags: [string, TagOverride][] }>();
  settings.forEach(({ disabled, tags }, i) => {
    if (disabled) return;
    const sorted = [...tags].sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify(sorted);
    const view = views.get(key) ?? { families: 0, tags: sorted };
    view.families |= 1 << i;
    views.set(key, view);
  });
  const [first] = views.values();
  if (views.size === 1 && first.families === ALL_FAMILIES && first.tags.length === 0) return null;
  return [...views.values()].map(({ families, tags }) => viewOf(families, tags));
}

function viewOf(families: number, tags: readonly [string, TagOverride][]): MetricsView {
  const labels = new Map<string, number>(HTTP_LABELS.map((name, i) => [name, i]));
  const programs: MetricsView['programs'][number][] = [];
  for (const [name, { operation, value }] of tags) {
    if (operation === 'REMOVE') labels.delete(name);
    else {
      labels.set(name, -1 - programs.length);
      programs.push(printed(parseValue(value ?? '')));
    }
  }
  return { families, names: [...labels.keys()], standard: [...labels.values()], programs };
}

function isFor(wanted: string | undefined, mode: Mode): boolean {
  return wanted === undefined || wanted === 'CLIENT_AND_SERVER' || wanted === mode;
}
