// All tests of a plugin's folder, run once: what `mesh plugin test` reports.
import { type Check, compileSchema } from '../configuration.ts';
import type { Project } from '../project.ts';
import { StepFailed } from '../step.ts';
import type { Fixtures } from './folder.ts';
import { type Loaded, loadModule, runTest, type TestResult } from './run.ts';

export interface SuiteReport {
  readonly plugin: string;
  readonly passed: number;
  readonly failed: number;
  /** ms */
  readonly ms: number;
  readonly tests: readonly TestResult[];
  /** Every callback that the module exports, and how often the tests made it run. */
  readonly coverage: Readonly<Record<string, number>>;
}

/** The module of a project, ready for tests. A string is why it is refused. */
export function loadProject(project: Project, bytes: Uint8Array): Loaded | string {
  let fits: Check;
  try {
    fits = compileSchema(project.schema);
  } catch (error) {
    if (error instanceof StepFailed) return error.message;
    throw error;
  }
  return loadModule(bytes, {
    name: project.name,
    rootId: project.manifest.rootId ?? '',
    defaultConfiguration: project.manifest.defaultConfig,
    mayCall: project.manifest.upstreams ?? [],
    wrongConfiguration: (value) => fits(value)[0] ?? null,
  });
}

/** One after the other: they are short, and what they print stays in order. */
export async function runSuite(loaded: Loaded, { tests }: Pick<Fixtures, 'tests'>): Promise<SuiteReport> {
  const began = performance.now();
  const results: TestResult[] = [];
  for (const test of tests) results.push(await runTest(loaded, test));
  const coverage = Object.fromEntries(loaded.callbacks.map((name) => [name, 0]));
  for (const { callbacks } of results) {
    for (const [name, count] of callbacks) if (name in coverage) coverage[name] += count;
  }
  const passed = results.filter((result) => result.passed).length;
  return {
    plugin: loaded.name,
    passed,
    failed: results.length - passed,
    ms: performance.now() - began,
    tests: results,
    coverage,
  };
}
