// `--wait`: what a change prints, and waiting until every proxy runs it.
import type { ChangeResult } from '../control/answers.ts';
import type { RolloutReport } from '../control/rollout.ts';
import type { Problem } from '../core/config/resource.ts';
import { proxiesOf } from '../plugins/install/rollout.ts';
import type { Api } from './api.ts';
import { CliError, EXIT } from './exit.ts';
import { describeProblem, note, paint, print, printJson } from './output.ts';
import { listed, proxyName } from './proxies.ts';

export interface ChangeOptions {
  readonly wait?: boolean;
  /** ms */
  readonly timeout: number;
  readonly json?: boolean;
  readonly dryRun?: boolean;
}

/** The API answers a wait within this, so that a long one is several. */
const ROUND_MS = 20_000;

/** Gives problems of resources their places in the files that were applied. */
export type Placing = (problems: readonly Problem[]) => Promise<readonly Problem[]>;

/** Prints what changed; with `wait` ends when every proxy answered. Throws CliError: refused by a proxy, or too late. */
export async function reportChange(
  api: Api,
  result: ChangeResult,
  options: ChangeOptions,
  placing?: Placing,
): Promise<void> {
  if (options.json !== true) printChanges(result, options.dryRun === true ? DRY_RUN : '');
  const waits = options.wait === true && options.dryRun !== true;
  const rollout = waits ? await waitForProxies(api, result.revision, options.timeout) : undefined;
  if (options.json === true) printJson({ ...result, rollout });
  else if (rollout !== undefined) print(summary(rollout));
  if (rollout !== undefined) await judge(rollout, options.timeout, placing);
}

/** Behind what would become of each resource. */
export const DRY_RUN = ' (dry run)';

/** A line for each resource, with `suffix`, and one for each warning. */
export function printChanges(
  { changes, warnings }: { changes: readonly { key: string; change: string }[]; warnings: readonly Problem[] },
  suffix: string,
): void {
  // Kinds without namespaces have an empty one in their key.
  for (const { key, change } of changes) print(`${key.replace('//', '/')} ${change}${suffix}`);
  for (const warning of warnings) note(`${paint('yellow', 'warning:', process.stderr)} ${describeProblem(warning)}`);
}

/** Answers when every proxy has, or after `timeoutMs`. */
export async function waitForProxies(api: Api, revision: number, timeoutMs: number): Promise<RolloutReport> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const left = Math.max(0, Math.round(deadline - performance.now()));
    const report = await api.rollout(revision, Math.min(left, ROUND_MS));
    if (report.done || left <= ROUND_MS) return report;
  }
}

/** 'revision 12: 7/7 proxies, p50 4.1 ms, max 9.0 ms' */
export function summary(report: RolloutReport): string {
  return `revision ${report.revision}: ${proxiesOf(report)}`;
}

/** Throws CliError: refused by a proxy, or too late. */
export async function judge(report: RolloutReport, timeoutMs: number, placing?: Placing): Promise<void> {
  if (report.nacked.length > 0) {
    const names = listed(report.nacked.map(({ proxy }) => proxyName(proxy)));
    const problems = report.nacked.flatMap(({ problems: own }) => own as Problem[]);
    throw new CliError(
      `revision ${report.revision} was refused by ${names}`,
      EXIT.refused,
      (await placing?.(problems)) ?? problems,
    );
  }
  if (report.missing.length > 0) {
    const names = listed(report.missing.map(proxyName));
    throw new CliError(`no answer within ${timeoutMs / 1000} s from ${names}`, EXIT.timeout);
  }
}
