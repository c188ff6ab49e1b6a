// `mesh plugin test`: the fixtures of a plugin's folder through its module, in the proxies' own host.
import type { Command } from 'commander';
import type { SuiteReport } from '../../../plugins/testing/suite.ts';
import { CliError, EXIT } from '../../exit.ts';
import { print, printJson } from '../../output.ts';

interface Options {
  readonly build?: boolean;
  readonly json?: boolean;
}

export function addTestCommand(group: Command): void {
  group
    .command('test')
    .description('Run the fixtures of a plugin’s folder (tests/*.yaml) through its module, without a mesh')
    .argument('[folder]', 'the plugin’s folder, which holds package.json', '.')
    .option('--build', 'compile it first')
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
  $ mesh plugin test examples/plugins/security-headers --json`,
    )
    .action(async (folder: string, options: Options) => {
      const report = await testFolder(folder, options.build === true);
      if (options.json === true) printJson(asJson(report));
      else {
        const { testReport } = await import('../../plugin-test-report.ts');
        print(testReport(report));
      }
      if (report.failed > 0) process.exitCode = EXIT.failure;
    });
}

/** Throws CliError: the folder is none of a plugin, a fixture is wrong, or the module is refused. */
export async function testFolder(folder: string, build: boolean): Promise<SuiteReport> {
  const [{ openProject }, { readFixtures }, { loadProject, runSuite }, { readWasm }] = await Promise.all([
    import('../../plugin/project.ts'),
    import('../../../plugins/testing/folder.ts'),
    import('../../../plugins/testing/suite.ts'),
    import('../../wasm-file.ts'),
  ]);
  const project = await openProject(folder);
  if (build) await (await import('../../plugin/build.ts')).buildProject(project, 'release');
  const fixtures = await readFixtures(folder, process.cwd());
  if (fixtures.problems.length > 0) {
    const problems = fixtures.problems.map((problem) => ({ ...problem, severity: 'error', code: 'fixture' }) as const);
    throw new CliError(`${count(problems.length, 'problem')} in the fixtures`, EXIT.usage, problems);
  }
  if (fixtures.tests.length === 0) throw new CliError(`${folder} has no tests: write tests/NAME.yaml`, EXIT.usage);
  const { bytes } = await readWasm(project.wasm);
  const loaded = loadProject(project, bytes);
  if (typeof loaded === 'string') throw new CliError(`${project.wasm} cannot run: ${loaded}`, EXIT.refused);
  return runSuite(loaded, fixtures);
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
