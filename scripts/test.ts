// `npm test`: every test/**/*.test.ts under node:test, one process a file. Arguments narrow it: `npm test -- http1 cli`
// runs the files whose path contains one of the words. Node's summary is what is printed last.
import { glob } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { tellUsage } from './usage.ts';

tellUsage('npm test -- [WORD...]: every test, or those of files whose path contains one of the words');
const ROOT = dirname(import.meta.dirname);
/** A file that hangs, or leaves something open that keeps it alive, is a failure and not a hung run. */
const FILE_TIMEOUT_MS = 240_000;
const WATCHDOG = `data:text/javascript,import { isMainThread } from 'node:worker_threads';
if (isMainThread) setTimeout(() => {
  process.stderr.write('this file did not end within ${FILE_TIMEOUT_MS / 1000} s; open: ' + process.getActiveResourcesInfo() + '\\n');
  process.exit(1);
}, ${FILE_TIMEOUT_MS}).unref();`.replaceAll(/\n\s*/g, ' ');

/** What Node makes of each TypeScript file, for all the processes that the tests start. */
process.env.NODE_COMPILE_CACHE ??= join(ROOT, 'node_modules', '.cache', 'compiled');

const words = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const files = await findTests(words);
if (files.length === 0) {
  process.stderr.write(`no test file matches: ${words.join(' ')}\n`);
  process.exit(2);
}

// Whoever holds bytes that were only lent to him reads nonsense (core/transport/read-buffer.ts).
process.env.WEFT_OVERWRITE_BORROWED = '1';

let failed = false;
const summary: string[] = [];
const stream = run({
  files,
  cwd: ROOT,
  // Most tests wait for processes and sockets, so one more than cores keeps both of a small machine busy.
  concurrency: availableParallelism() + 1,
  execArgv: ['--import', WATCHDOG],
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
// The list of failures follows the numbers: they are repeated so that the end of the output tells.
if (failed) process.stdout.write(`\n${summary.map((line) => `ℹ ${line}`).join('\n')}\n`);
process.exitCode = failed ? 1 : 0;

async function findTests(words: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for await (const file of glob('test/**/*.test.ts', { cwd: ROOT })) found.push(join(ROOT, file));
  return found.filter((file) => words.length === 0 || words.some((word) => relative(ROOT, file).includes(word))).sort();
}
