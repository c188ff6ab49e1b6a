// Figures of the proxy's process, by the names that Prometheus' own clients use.

import type { Exposition } from './prometheus.ts';

/** `startedAt`: milliseconds since the epoch. */
export function registerProcess(exposition: Exposition, startedAt: number): void {
  exposition.gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', {}, () =>
    process.memoryUsage.rss(),
  );
  exposition.counter('process_cpu_seconds_total', 'User and system CPU time spent in seconds.', {}, () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  exposition.gauge('process_start_time_seconds', 'Start time in seconds since the epoch.', {}, () => startedAt / 1000);
  exposition.gauge('nodejs_heap_size_used_bytes', 'Heap in use on the main thread in bytes.', {}, () => {
    return process.memoryUsage().heapUsed;
  });
}
