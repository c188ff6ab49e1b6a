// `npm test`: every test/**/*.test.ts under node:test, in groups that share a process or alone. Arguments narrow it: `npm test --
// http1 cli` runs the files whose path contains one of the words. Node's summary is what is printed last, after the files that cost much.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { pathToFileURL } from 'node:url';
import { grouped } from './test-groups.ts';
import type { Cost } from './test-process.ts';
import { tellUsage } from './usage.ts';

tellUsage(
  'npm test -- [--timing] [WORD...]: every test, or those of files whose path contains one of the words; with what each file costs',
);
const ROOT = dirname(import.meta.dirname);
/** CPU seconds of a file that is named also without --timing. */
const DEAR_S = 20;

const words = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const files = await findTests(words);
if (files.length === 0) {
  process.stderr.write(`no test file matches: ${words.join(' ')}\n`);
  process.exit(2);
}

// Whoever holds bytes that were only lent to him reads nonsense (core/transport/read-buffer.ts).
process.env.WEFT_OVERWRITE_BORROWED = '1';

const folder = mkdtempSync(join(tmpdir(), 'weft-test-costs-'));
const costs = join(folder, 'costs');
process.env.WEFT_TEST_COSTS = costs;
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const { alone, groups } = grouped(files);
let failed = false;
const summary: string[] = [];
const stream = run({
  // Groups take longest, so they begin first.
  files: [...writeEntries(), ...alone.map((file) => join(ROOT, file))],
  cwd: ROOT,
  // Most tests wait for processes and sockets, so one more than cores keeps both of a small machine busy.
  concurrency: availableParallelism() + 1,
  execArgv: ['--import', pathToFileURL(join(import.meta.dirname, 'test-process.ts')).href],
});
stream.on('test:fail', (data) => {
  // A failure that a `todo` or `skip` announces is none.
  if (data.todo === undefined && data.skip === undefined) failed = true;
});
stream.on('test:diagnostic', (data) => {
  // The run's own numbers come without a file.
  if (data.file === undefined && /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(data.message)) {
    summary.push(data.message);
  }
});
const output = stream.compose(new spec());
output.pipe(process.stdout, { end: false });
await new Promise((done) => output.once('end', done));
const told = tellCosts(process.argv.includes('--timing'));
// The list of failures follows the numbers: they are repeated so that the end of the output tells.
if (failed || told) process.stdout.write(`\n${summary.map((line) => `ℹ ${line}`).join('\n')}\n`);
process.exitCode = failed ? 1 : 0;

async function findTests(words: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for await (const file of glob('test/**/*.test.ts', { cwd: ROOT })) found.push(file.replaceAll('\\', '/'));
  return found.filter((file) => words.length === 0 || words.some((word) => file.includes(word))).sort();
}

/** What node:test starts for each group. */
function writeEntries(): string[] {
  const runs = pathToFileURL(join(import.meta.dirname, 'test-group.ts')).href;
  return [...groups].map(([name, members]) => {
    const entry = join(folder, `${name}.mjs`);
    const paths = members.map((file) => join(ROOT, file));
    const call = `runGroup(${JSON.stringify(ROOT)}, ${JSON.stringify(paths)});`;
    writeFileSync(entry, `import { runGroup } from ${JSON.stringify(runs)};\n${call}\n`);
    return entry;
  });
}

/** The dearest first. False: there was nothing to tell. */
function tellCosts(all: boolean): boolean {
  const lines = existsSync(costs) ? readFileSync(costs, 'utf8').trim().split('\n') : [];
  const each = lines.map((line) => JSON.parse(line) as Cost).sort((a, b) => b.cpu - a.cpu);
  const shown = each.filter(({ cpu }) => all || cpu > DEAR_S);
  if (shown.length === 0) return false;
  const sum = each.reduce((seconds, { cpu }) => seconds + cpu, 0);
  const rest = all ? '' : `, and files of more than ${DEAR_S}`;
  process.stdout.write(`\nseconds of CPU and on the clock: ${sum.toFixed(0)} of CPU in all${rest}\n`);
  for (const { file, cpu, wall } of shown) {
    process.stdout.write(`${cpu.toFixed(1).padStart(7)} ${wall.toFixed(1).padStart(7)} ${nameOf(file)}\n`);
  }
  return true;
}

function nameOf(file: string): string {
  return file.startsWith(folder) ? `(loading, for all of the group ${basename(file, '.mjs')})` : relative(ROOT, file);
}
