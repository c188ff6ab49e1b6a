// What Prometheus is told: the sums of all shards' statistics, and the proxy's own figures, in the text exposition format
// 0.0.4. Runs on the main thread; reads shared memory and never asks a shard.

import type { Series } from '../shard/protocol.ts';
import type { Metric } from '../wasm/shared/metrics.ts';
import { filterMetricLines } from './filter-metrics.ts';
import type { StatisticsRegistry } from './registry.ts';
import {
  ALL_FAMILIES,
  ALL_TCP_FAMILIES,
  activityOf,
  BUCKETS,
  type Family,
  HTTP_FAMILIES,
  HTTP_LABELS,
  TCP_BIT,
  TCP_FAMILIES,
  TCP_LABELS,
  TCP_SERIES,
} from './statistics.ts';

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** An hour. */
export const SERIES_EXPIRY_MS = 3_600_000;

export interface ExpositionOptions {
  /** Milliseconds, any epoch. */
  now?(): number;
  /** A series that has not changed for so long is not shown until it does. Default: SERIES_EXPIRY_MS. */
  readonly expireAfterMs?: number;
  /** What filters count. */
  filterMetrics?(): readonly Metric[];
}

export type Labels = Readonly<Record<string, string>>;

/** The same label set on every shard that has it. */
interface Group {
  /** 'reporter="source",...' */
  readonly text: string;
  places: { readonly slots: Float64Array; readonly slot: number; readonly families: number }[];
  activity: number;
  changedAt: number;
}

interface OwnFamily {
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly figures: { readonly labels: string; readonly value: () => number }[];
}

export class Exposition {
  private readonly statistics: StatisticsRegistry;
  private readonly now: () => number;
  private readonly expireAfterMs: number;
  private readonly filterMetrics: () => readonly Metric[];
  private readonly texts = new WeakMap<Series, string>();
  private groups: ReadonlyMap<string, Group> = new Map();
  private readonly own = new Map<string, OwnFamily>();

  constructor(statistics: StatisticsRegistry, options: ExpositionOptions = {}) {
    this.statistics = statistics;
    this.now = options.now ?? (() => performance.now());
    this.expireAfterMs = options.expireAfterMs ?? SERIES_EXPIRY_MS;
    this.filterMetrics = options.filterMetrics ?? (() => []);
  }

  /** A figure that goes up and down; `value` is asked at every rendering. The same name may have several label sets. */
  gauge(name: string, help: string, labels: Labels, value: () => number): void {
    this.register('gauge', name, help, labels, value);
  }

  /** A figure that only grows. */
  counter(name: string, help: string, labels: Labels, value: () => number): void {
    this.register('counter', name, help, labels, value);
  }

  render(): string {
    const groups = this.living();
    const lines: string[] = [];
    HTTP_FAMILIES.forEach((family, i) => {
      renderFamily(lines, family, 1 << i, groups);
    });
    TCP_FAMILIES.forEach((family, i) => {
      renderFamily(lines, family, TCP_BIT << i, groups);
    });
    for (const [name, { type, help, figures }] of this.own) {
      lines.push(`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`);
      for (const { labels, value } of figures) lines.push(`${name}${labels} ${number(value())}`);
    }
    lines.push(...filterMetricLines(this.filterMetrics()));
    return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
  }

  private register(type: OwnFamily['type'], name: string, help: string, labels: Labels, value: () => number): void {
    const text = Object.entries(labels)
      .map(([label, of]) => `${label}="${escapeLabel(of)}"`)
      .join(',');
    const figure = { labels: text === '' ? '' : `{${text}}`, value };
    const family = this.own.get(name);
    if (family === undefined) this.own.set(name, { type, help, figures: [figure] });
    else family.figures.push(figure);
  }

  private living(): Group[] {
    const now = this.now();
    const living: Group[] = [];
    this.groups = this.gather(now);
    for (const group of this.groups.values()) {
      const activity = group.places.reduce((all, { slots, slot }) => all + activityOf(slots, slot), 0);
      if (activity !== group.activity) {
        group.activity = activity;
        group.changedAt = now;
      }
      if (now - group.changedAt < this.expireAfterMs) living.push(group);
    }
    return living;
  }

  private gather(now: number): Map<string, Group> {
    const groups = new Map<string, Group>();
    for (let shard = 0; shard < this.statistics.shards; shard++) {
      const slots = this.statistics.slots(shard);
      for (const series of this.statistics.series(shard)) {
        const text = this.textOf(series);
        const all = series.name === TCP_SERIES ? ALL_TCP_FAMILIES : ALL_FAMILIES;
        const place = { slots, slot: series.slot, families: series.chosen?.families ?? all };
        const group = groups.get(text);
        if (group !== undefined) {
          group.places.push(place);
          continue;
        }
        const known = this.groups.get(text);
        if (known !== undefined) known.places = [place];
        groups.set(text, known ?? { text, places: [place], activity: 0, changedAt: now });
      }
    }
    return groups;
  }

  private textOf(series: Series): string {
    let text = this.texts.get(series);
    if (text === undefined) {
      const names = series.chosen?.names ?? (series.name === TCP_SERIES ? TCP_LABELS : HTTP_LABELS);
      text = names.map((label, i) => `${label}="${escapeLabel(series.labels[i])}"`).join(',');
      this.texts.set(series, text);
    }
    return text;
  }
}

function renderFamily(
  lines: string[],
  { name, help, type, offset, ofCalls }: Family,
  bit: number,
  groups: readonly Group[],
): void {
  const shown = groups.filter((group) =>
    ofCalls === true ? sum(group, offset, bit) > 0 : group.places.some(({ families }) => (families & bit) !== 0),
  );
  if (shown.length === 0) return;
  lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  for (const group of shown) {
    if (type === 'counter') lines.push(`${name}${braces(group.text)} ${number(sum(group, offset, bit))}`);
    else renderHistogram(lines, name, group, offset, bit);
  }
}

/** The count is that of the buckets, so that the two agree while shards go on counting. */
function renderHistogram(lines: string[], name: string, group: Group, offset: number, bit: number): void {
  const labels = group.text === '' ? '' : `${group.text},`;
  let count = 0;
  for (let i = 0; i <= BUCKETS.length; i++) {
    count += sum(group, offset + i, bit);
    const le = i < BUCKETS.length ? String(BUCKETS[i]) : '+Inf';
    lines.push(`${name}_bucket{${labels}le="${le}"} ${number(count)}`);
  }
  lines.push(`${name}_sum${braces(group.text)} ${number(sum(group, offset + BUCKETS.length + 1, bit))}`);
  lines.push(`${name}_count${braces(group.text)} ${number(count)}`);
}

function braces(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}

/** Over the places that show any of these families. */
function sum({ places }: Group, offset: number, families: number): number {
  let total = 0;
  for (const place of places) if ((place.families & families) !== 0) total += place.slots[place.slot + offset];
  return total;
}

function number(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`));
}

function escapeHelp(help: string): string {
  return help.replace(/[\\\n]/g, (c) => (c === '\n' ? '\\n' : '\\\\'));
}
