// Counts, on the main thread, how often the guests of plugins had to be replaced in any shard: the shards that saw it may
// be gone since.

import type { Exposition } from '../telemetry/prometheus.ts';
import type { RestartReason } from '../wasm/guest/traps.ts';

/** Plugins come and go by name; what is more than this is counted as `other`. */
const MAX_PLUGINS = 500;

export class PluginRestarts {
  private readonly counts = new Map<string, number>();
  private readonly plugins = new Set<string>();
  private readonly exposition: Pick<Exposition, 'counter'>;

  constructor(exposition: Pick<Exposition, 'counter'>) {
    this.exposition = exposition;
  }

  restarted(name: string, reason: RestartReason): void {
    const plugin = this.plugins.has(name) || this.plugins.size < MAX_PLUGINS ? name : 'other';
    this.plugins.add(plugin);
    const key = `${plugin}\0${reason}`;
    const before = this.counts.get(key);
    this.counts.set(key, (before ?? 0) + 1);
    if (before !== undefined) return;
    const help = 'Instances of plugins that died, and were replaced or given up.';
    const value = (): number => this.counts.get(key) ?? 0;
    this.exposition.counter('weft_plugin_restarts_total', help, { plugin, reason }, value);
  }
}
