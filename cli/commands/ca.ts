// `mesh ca`: which roots the mesh believes, and how one, or what signs below it, takes the place of another.
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { RotationReport } from '../../control/authority/rotation.ts';
import type { Api } from '../api.ts';
import { commandGroup } from '../command-group.ts';
import { CliError, EXIT } from '../exit.ts';
import { note, oneLine, print, printJson, table } from '../output.ts';
import { durationOption } from '../parse.ts';

interface RotateOptions {
  readonly root?: string;
  readonly intermediate?: boolean;
  readonly all?: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

const AGAIN_MS = 500;
const MOST_NAMED = 20;

export function caCommand(program: Command): void {
  const group = commandGroup(program.command('ca'))
    .description('Show and rotate the root of the certificates by which workloads are known')
    .addHelpText('after', '\nExamples:\n  $ mesh ca status\n  $ mesh ca rotate');
  group
    .command('status')
    .description('Print the roots that the mesh believes, and which proxies have not followed')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ mesh ca status')
    .action(status);
  group
    .command('rotate')
    .description('Go one step further in a rotation of the root, and wait until every proxy has followed')
    .option('--root <file>', 'begin with this root, in PEM, instead of one that is made')
    .option('--intermediate', 'only another intermediate below the root that is there, in one step')
    .option('--all', 'all steps, one after the other')
    .addOption(durationOption('--timeout', 'how long to wait for proxies after each step', '1m', 1_000))
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Three steps, none of which is made before every proxy has followed the last: a new root is believed beside the old one,
certificates are signed below the new one, the old one is believed no more. Requests go on throughout.

Examples:
  $ mesh ca rotate
  $ mesh ca rotate --all
  $ mesh ca rotate --intermediate
  $ mesh ca rotate --root new-root.pem`,
    )
    .action(rotate);
}

async function status(options: { json?: boolean }): Promise<void> {
  const { Api } = await import('../api.ts');
  const report = await (await Api.open()).authority();
  if (options.json === true) printJson(report);
  else show(report);
}

async function rotate({ root: file, intermediate, all, timeout, json }: RotateOptions): Promise<void> {
  if (intermediate === true && (file !== undefined || all === true)) {
    throw new CliError('--intermediate leaves the root as it is: --root and --all are for another root', EXIT.usage);
  }
  const root = file === undefined ? undefined : await readRoot(file);
  const { Api } = await import('../api.ts');
  const api = await Api.open();
  let report = await followed(api, await api.rotate({ root, intermediate }), timeout);
  while (all === true && report.step !== 'settled' && report.waiting.length === 0) {
    if (json !== true) show(report);
    report = await followed(api, await api.rotate(), timeout);
  }
  if (json === true) printJson(report);
  else show(report);
  if (report.waiting.length > 0) {
    const count = report.waiting.length === 1 ? 'one proxy has' : `${report.waiting.length} proxies have`;
    throw new CliError(`${count} not followed within ${timeout / 1_000} s`, EXIT.timeout);
  }
}

async function followed(api: Api, first: RotationReport, timeoutMs: number): Promise<RotationReport> {
  const until = performance.now() + timeoutMs;
  let report = first;
  while (report.waiting.length > 0 && performance.now() < until) {
    await delay(AGAIN_MS);
    report = await api.authority();
  }
  return report;
}

function show({ roots, intermediate, proxies, waiting, next }: RotationReport): void {
  const rows = roots.map(({ fingerprint, subject, expires, signs }) => [
    fingerprint.slice(0, 16),
    signs ? 'yes' : 'no',
    expires,
    oneLine(subject),
  ]);
  print(table(['ROOT', 'SIGNS', 'EXPIRES', 'SUBJECT'], rows));
  if (intermediate !== null) {
    const { fingerprint, expires, subject } = intermediate;
    print(`signed by the intermediate ${fingerprint.slice(0, 16)} until ${expires} (${oneLine(subject)})`);
  }
  print(`${proxies - waiting.length} of ${proxies} proxies have followed`);
  for (const { proxy, why } of waiting.slice(0, MOST_NAMED)) note(`  ${oneLine(proxy)}: ${oneLine(why)}`);
  if (waiting.length > MOST_NAMED) note(`  and ${waiting.length - MOST_NAMED} more`);
  print(`next: ${next}`);
}

async function readRoot(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError(`${file} cannot be read: ${(error as Error).message}`, EXIT.usage);
  }
}
