// Results as a reader of a terminal wants them.

import type { Ratio } from './figures.ts';
import type { Results } from './measure.ts';

/** Lines for standard output. */
export function report({ machine, plan, versions, missing, scenarios, ratios }: Results): string {
  const lines = [
    `${machine.processor}, ${machine.cores} cores, ${machine.memoryMiB} MiB, ${machine.system}, load ${machine.loadAverage} before, ${machine.date}`,
    ...Object.entries(versions).map(([name, version]) => `  ${name}: ${version}`),
    ...missing.map(({ peer, reason }) => `  not measured: ${peer} (${reason.split('\n')[0]})`),
    `medians of ${plan.rounds} rounds of ${plan.seconds} s; ratios of CPU per request, in brackets their extremes`,
  ];
  for (const [name, peers] of Object.entries(scenarios)) {
    const rows = peers.map((peer) => [
      peer.peer,
      peer.cpuMicrosPerRequest.toFixed(1),
      peer.requestsPerSecond.toFixed(0),
      peer.p50Ms.toFixed(2),
      peer.p99Ms.toFixed(2),
      peer.rssMiB.toFixed(0),
      String(peer.errors),
      ...['nginx', 'reply-from'].map((to) => cell(ratios[name].find((r) => r.peer === peer.peer && r.to === to))),
    ]);
    const head = [name, 'CPU µs/req', 'req/s', 'p50 ms', 'p99 ms', 'RSS MiB', 'errors', 'x nginx', 'x reply-from'];
    lines.push('', ...table([head, ...rows]));
  }
  return lines.join('\n');
}

function cell(ratio: Ratio | undefined): string {
  if (ratio === undefined) return '-';
  return `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)})`;
}

/** The first column to the left, figures to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((text, column) => (column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]))).join('  '),
  );
}
