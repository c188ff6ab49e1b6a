// `mesh plugin test`: the fixtures of a plugin's folder through its module, in the proxies' own host.
import type { Command } from 'commander';
import type { Fixtures } from '../../../plugins/testing/folder.ts';
import type { Loaded } from '../../../plugins/testing/run.ts';
import type { SuiteReport } from '../../../plugins/testing/suite.ts';
import { CliError, EXIT } from '../../exit.ts';
import { describeProblem, note, paint, print, printJson } from '../../output.ts';
import type { Which } from '../../plugin/build.ts';

interface Options {
  readonly build?: boolean;
  readonly watch?: boolean;
  readonly bench?: boolean;
  readonly json?: boolean;
}

interface Ready {
  readonly loaded: Loaded;
  readonly fixtures: Fixtures;
}

export function addTestCommand(group: Command): void {
  group
    .command('test')
    .description('Run the fixtures of a plugin’s folder (tests/*.yaml) through its module, without a mesh')
    .argument('[folder]', 'the plugin’s folder, which holds package.json', '.')
    .option('--build', 'compile it first')
    .option('--watch', 'compile and run again on every save, until Ctrl-C')
    .option('--bench', 'measure instead what the callbacks of the fixtures’ requests cost')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A fixture is a YAML file; each of its documents is a test:

  name: a request without a tenant is refused
  config: { header: x-tenant }
  request: { path: /reviews/0, headers: { accept: '*/*' } }
  expect:
    local: true
    response: { status: 400, body: { contains: tenant }, headers: { x-why: { absent: true } } }

A test with several requests, or ticks of the timer, on one instance has \`steps\`. Failed tests end with exit code 1, a
fixture that is wrong with 2, a module that is refused with 3.

Examples:
  $ mesh plugin test --build
  $ mesh plugin test --watch
  $ mesh plugin test examples/plugins/security-headers --bench
  $ mesh plugin test examples/plugins/security-headers --json`,
    )
    .action(async (folder: string, options: Options) => {
      if (options.watch === true) {
        if (options.bench === true || options.json === true) {
          throw new CliError('--watch goes with neither --bench nor --json', EXIT.usage);
        }
        return watchTests(folder);
      }
      const ready = await prepare(folder, options.build === true ? 'release' : null);
      if (options.bench === true) return bench(ready, options.json === true);
      const { runSuite } = await import('../../../plugins/testing/suite.ts');
      const report = await runSuite(ready.loaded, ready.fixtures);
      if (options.json === true) printJson(asJson(report));
      else await printReport(report);
      if (report.failed > 0) process.exitCode = EXIT.failure;
    });
}

async function printReport(report: SuiteReport): Promise<void> {
  const { testReport } = await import('../../plugin-test-report.ts');
  print(testReport(report));
}

async function bench({ loaded, fixtures }: Ready, json: boolean): Promise<void> {
  const [{ benchPlugin }, { benchReport }] = await Promise.all([
    import('../../../plugins/testing/bench.ts'),
    import('../../plugin-test-report.ts'),
  ]);
  const report = await benchPlugin(loaded, fixtures.tests);
  if (report === null) throw new CliError('the fixtures have no request: nothing to measure', EXIT.usage);
  if (json) printJson(report);
  else print(benchReport(report));
}

/** Until it is told to stop. What is wrong is told, and waited out. */
async function watchTests(folder: string): Promise<void> {
  const [{ untilStopped }, { watchFolder }, { openProject }, { canBuild }, { runSuite }] = await Promise.all([
    import('../../until-stopped.ts'),
    import('../../plugin/watch.ts'),
    import('../../plugin/project.ts'),
    import('../../plugin/build.ts'),
    import('../../../plugins/testing/suite.ts'),
  ]);
  const stopped = untilStopped();
  const which = canBuild(await openProject(folder)) ? 'debug' : null;
  const watching = watchFolder(folder, async (files) => {
    if (files.length > 0) print(paint('dim', `\n${files.join(', ')} saved`));
    try {
      // The module for debugging is there sooner, and traps in it name functions.
      const { loaded, fixtures } = await prepare(folder, which);
      await printReport(await runSuite(loaded, fixtures));
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      for (const problem of error.problems) note(describeProblem(problem));
      note(`${paint('red', 'mesh:', process.stderr)} ${error.message}`);
    }
  });
  await stopped;
  await watching.stop();
}

/**
 * `which`: what is compiled first, null: nothing. Throws CliError: the folder is none of a plugin, a fixture is wrong, the
 * module is refused, or what it would be installed as.
 */
async function prepare(folder: string, which: Which | null): Promise<Ready> {
  const [{ openProject }, { readFixtures }, { loadProject }, { checkResource }, { readWasm }] = await Promise.all([
    import('../../plugin/project.ts'),
    import('../../../plugins/testing/folder.ts'),
    import('../../../plugins/testing/suite.ts'),
    import('../../../plugins/testing/resource-check.ts'),
    import('../../wasm-file.ts'),
  ]);
  const project = await openProject(folder);
  const built = which === null ? null : await (await import('../../plugin/build.ts')).buildProject(project, which);
  const fixtures = await readFixtures(folder, process.cwd());
  if (fixtures.problems.length > 0) {
    const problems = fixtures.problems.map((problem) => ({ ...problem, severity: 'error', code: 'fixture' }) as const);
    throw new CliError(`${count(problems.length, 'problem')} in the fixtures`, EXIT.usage, problems);
  }
  if (fixtures.tests.length === 0) throw new CliError(`${folder} has no tests: write tests/NAME.yaml`, EXIT.usage);
  const { bytes } = built ?? (await readWasm(project.wasm));
  const loaded = loadProject(project, bytes);
  if (typeof loaded === 'string') throw new CliError(`${project.wasm} cannot run: ${loaded}`, EXIT.refused);
  const told = checkResource(project, bytes);
  const errors = told.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) {
    throw new CliError(`the mesh would refuse the Plugin that ${project.name} is installed as`, EXIT.refused, errors);
  }
  for (const warning of told) note(`warning: ${describeProblem(warning)}`);
  return { loaded, fixtures };
}

function asJson(report: SuiteReport): unknown {
  return {
    ...report,
    tests: report.tests.map((test) => ({ ...test, callbacks: Object.fromEntries(test.callbacks) })),
  };
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
