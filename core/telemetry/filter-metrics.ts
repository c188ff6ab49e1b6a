// The metrics that filters define, in the text exposition format, under Envoy's prefix for them: nothing of a plugin can
// pass for a figure of the mesh. Names are the filters'; tags that they hide in names stay there. What the host counts for
// built-in filters comes with its own name and labels.

import { MetricType } from '../wasm/abi/abi.ts';
import { METRIC_BUCKETS, type Metric } from '../wasm/shared/metrics.ts';

const PREFIX = 'wasmcustom_';
const TYPES = ['counter', 'gauge', 'histogram'] as const;

/** Lines without ends. Metrics whose names differ only in what Prometheus does not allow are one, when they are of one type. */
export function filterMetricLines(metrics: readonly Metric[]): string[] {
  const families = new Map<string, Metric[]>();
  const taken = new Map<string, number>();
  for (const metric of metrics) {
    if (metric.ours) continue;
    const plain = PREFIX + metric.name.replace(/[^a-zA-Z0-9_:]/g, '_');
    const type = taken.get(plain) ?? metric.type;
    taken.set(plain, type);
    const name = type === metric.type ? plain : `${plain}_${TYPES[metric.type]}`;
    const family = families.get(name);
    if (family === undefined) families.set(name, [metric]);
    else if (family[0].type === metric.type) family.push(metric);
  }
  const lines = ownLines(metrics.filter(({ ours }) => ours));
  for (const [name, family] of families) {
    const { type } = family[0];
    lines.push(`# HELP ${name} Defined by a filter.`, `# TYPE ${name} ${TYPES[type]}`);
    if (type !== MetricType.Histogram) {
      lines.push(`${name} ${family.reduce((sum, { value }) => sum + value, 0n)}`);
      continue;
    }
    let count = 0n;
    for (let i = 0; i <= METRIC_BUCKETS.length; i++) {
      for (const { buckets } of family) count += buckets[i];
      lines.push(`${name}_bucket{le="${METRIC_BUCKETS[i] ?? '+Inf'}"} ${count}`);
    }
    lines.push(`${name}_sum ${family.reduce((sum, { value }) => sum + value, 0n)}`, `${name}_count ${count}`);
  }
  return lines;
}

/** Whose names are series. */
function ownLines(metrics: readonly Metric[]): string[] {
  const families = Map.groupBy(metrics, ({ name }) => name.split('{', 1)[0]);
  return [...families].flatMap(([family, series]) => [
    `# HELP ${family} Counted for a built-in filter.`,
    `# TYPE ${family} ${TYPES[series[0].type]}`,
    ...series.flatMap((metric) =>
      metric.type === MetricType.Histogram ? spread(family, metric) : [`${metric.name} ${metric.value}`],
    ),
  ]);
}

function spread(family: string, { name, value, buckets }: Metric): string[] {
  const labels = name.slice(family.length + 1, -1);
  let count = 0n;
  const lines = buckets.map((bucket, i) => {
    count += bucket;
    return `${family}_bucket{${labels},le="${METRIC_BUCKETS[i] ?? '+Inf'}"} ${count}`;
  });
  return [...lines, `${family}_sum{${labels}} ${value}`, `${family}_count{${labels}} ${count}`];
}
