// Results as a reader of a terminal wants them, and as RESULTS.md keeps them.

import type { PeerFigures, Ratio } from './figures.ts';
import { BASES, type Results } from './measure.ts';

/** Lines for standard output. */
export function report(results: Results): string {
  const lines = [...preamble(results)];
  for (const [name, peers] of Object.entries(results.scenarios)) {
    lines.push('', `${name}: ${results.about[name]}`, ...aligned(tableOf(peers, results.ratios[name])));
  }
  return lines.join('\n');
}

/** The same for a Markdown page: what was measured where, and a table for each scenario. */
export function reportMarkdown(results: Results): string {
  const lines = preamble(results).map((line) => (line.startsWith('  ') ? `-${line.slice(1)}` : `${line}\n`));
  for (const [name, peers] of Object.entries(results.scenarios)) {
    const [head, ...rows] = aligned(tableOf(peers, results.ratios[name]), ' | ').map((line) => `| ${line} |`);
    const rule = head.replace(/[^|]/g, '-').replace(/-\|/g, ':|').replace(':|', '-|').replace(/^-\|/, '|');
    lines.push('', `### ${name}`, '', `${results.about[name]}.`, '', head, rule, ...rows);
  }
  return lines.join('\n');
}

function preamble({ machine, plan, versions, missing, leftOut }: Results): string[] {
  const { processor, cores, memoryMiB, system, loadAverage, date } = machine;
  return [
    `${processor}, ${cores} cores, ${memoryMiB} MiB, ${system}, load ${loadAverage} before, ${date}`,
    ...Object.entries(versions).map(([name, version]) => `  ${name}: ${version}`),
    ...missing.map(({ peer, reason }) => `  not measured: ${peer} (${reason})`),
    ...leftOut.map(({ scenario, peer, reason }) => `  not measured in ${scenario}: ${peer} (${reason})`),
    `medians of ${plan.rounds} rounds of ${plan.seconds} s, ${plan.tookSeconds} s in all; latencies at the rate that is named; ratios of CPU per request, in brackets their extremes`,
  ];
}

function tableOf(peers: readonly PeerFigures[], ratios: readonly Ratio[]): string[][] {
  const bases = BASES.filter((base) => ratios.some(({ to }) => to === base));
  const extras = [...new Set(peers.flatMap(({ also }) => Object.keys(also)))];
  const asked = peers.some(({ requestsPerSecond }) => requestsPerSecond > 0);
  const paced = peers.some(({ ratePerSecond }) => ratePerSecond > 0);
  const rate = peers[0].ratePerSecond;
  const head = [
    'peer',
    ...(asked ? ['CPU µs/req', 'req/s'] : []),
    ...(paced ? [`p50 ms at ${rate}/s`, 'p90', 'p99', 'p99.9'] : []),
    'RSS MiB',
    ...(asked ? ['errors'] : []),
    ...extras,
    ...bases.map((base) => `x ${base}`),
  ];
  const rows = peers.map((peer) => [
    peer.peer,
    ...(asked ? [peer.cpuMicrosPerRequest.toFixed(1), peer.requestsPerSecond.toFixed(0)] : []),
    ...(paced ? [peer.p50Ms, peer.p90Ms, peer.p99Ms, peer.p999Ms].map((ms) => ms.toFixed(2)) : []),
    peer.rssMiB.toFixed(1),
    ...(asked ? [String(peer.errors)] : []),
    ...extras.map((name) => (peer.also[name] === undefined ? '-' : plain(peer.also[name]))),
    ...bases.map((to) => cell(ratios.find((ratio) => ratio.peer === peer.peer && ratio.to === to))),
  ]);
  return [head, ...rows];
}

/** Ratios to a hundredth, milliseconds and MiB to a tenth. */
function plain(value: number): string {
  return String(value < 10 ? Math.round(value * 100) / 100 : Math.round(value * 10) / 10);
}

function cell(ratio: Ratio | undefined): string {
  if (ratio === undefined) return '-';
  return `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)})`;
}

/** The first column to the left, figures to the right. */
function aligned(rows: readonly (readonly string[])[], between = '  '): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((text, column) => (column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]))).join(between),
  );
}
