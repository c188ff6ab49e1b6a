// The loop of `mesh plugin dev`: folder -> module -> tests -> trial -> store -> one Plugin resource -> every proxy, and at the
// end what was there before.
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { checkPlugin } from '../../core/wasm/trial/check.ts';
import { type Configuration, compileSchema } from '../../plugins/configuration.ts';
import { type CommitOptions, commitPlugin } from '../../plugins/install/commit.ts';
import type { ControlPlane } from '../../plugins/install/control-plane.ts';
import { readPlugin } from '../../plugins/install/installed.ts';
import { type PluginKey, type PluginResource, pluginResource } from '../../plugins/install/resource.ts';
import type { Project } from '../../plugins/project.ts';
import { readPackage } from '../../plugins/source/package.ts';
import { PluginError, StepFailed } from '../../plugins/step.ts';
import { readFixtures } from '../../plugins/testing/folder.ts';
import { loadProject, runSuite } from '../../plugins/testing/suite.ts';
import { trial } from '../../plugins/trial.ts';
import { Api } from '../api.ts';
import { CliError } from '../exit.ts';
import { describeProblem, note, paint, print } from '../output.ts';
import { testFailures } from '../plugin-test-report.ts';
import { untilStopped } from '../until-stopped.ts';
import { type Built, buildProject } from './build.ts';
import { controlPlane } from './control-plane.ts';
import { inSteps } from './progress.ts';
import { openProject } from './project.ts';
import { watchFolder } from './watch.ts';

export interface DevOptions extends CommitOptions {
  readonly namespace: string;
  readonly config: Configuration | undefined;
  readonly selector?: Readonly<Record<string, string>>;
  readonly tests: boolean;
  readonly keep: boolean;
}

/** Runs until it is told to stop. Throws CliError when there is no mesh or no plugin; what is wrong later is told and waited out. */
export async function developPlugin(folder: string, options: DevOptions): Promise<void> {
  const stopped = untilStopped();
  const [api, { name }] = await Promise.all([Api.open(), openProject(folder)]);
  const key = { namespace: options.namespace, name };
  const mesh = controlPlane(api);
  const initial = await inSteps(() => readPlugin(mesh, key));
  const session = new Session(mesh, folder, key, initial, options);
  print(
    `watching ${folder}: every save is built, tested and swapped into ${api.url} as plugin ${name}; Ctrl-C ends it`,
  );
  const watching = watchFolder(folder, (files, savedAt) => session.turn(files, savedAt));
  await stopped;
  await watching.stop();
  await session.end();
}

class Session {
  private readonly mesh: ControlPlane;
  private readonly folder: string;
  private readonly key: PluginKey;
  private readonly initial: PluginResource | null;
  private readonly options: DevOptions;
  /** As the control plane has it after our last change. */
  private current: PluginResource | null;
  private changed = false;

  constructor(mesh: ControlPlane, folder: string, key: PluginKey, initial: PluginResource | null, options: DevOptions) {
    this.mesh = mesh;
    this.folder = folder;
    this.key = key;
    this.initial = initial;
    this.current = initial;
    this.options = options;
  }

  /** One save. Whatever is wrong is told; what runs goes on running. */
  async turn(files: readonly string[], savedAt: number): Promise<void> {
    if (files.length > 0) print(paint('dim', `${files.join(', ')} saved`));
    try {
      const live = await this.swap();
      const took = Math.round(performance.now() - savedAt);
      print(live === null ? 'nothing has changed for the mesh' : `${paint('green', 'live')} ${live}, after ${took} ms`);
    } catch (error) {
      if (!(error instanceof CliError) && !(error instanceof PluginError)) throw error;
      for (const problem of error.problems) note(describeProblem(problem));
      const step = error instanceof StepFailed ? `${error.step}: ` : '';
      const rest = this.changed || this.current !== null ? '; the version before goes on serving' : '';
      note(`${paint('red', 'mesh:', process.stderr)} ${step}${error.message}${rest}`);
    }
  }

  /** Puts back what was there before, and says what it did. */
  async end(): Promise<void> {
    const { name } = this.key;
    if (!this.changed) print(`plugin ${name} is as it was before`);
    else if (this.options.keep)
      print(`plugin ${name} stays as it is now: \`mesh plugin uninstall ${name}\` removes it`);
    else {
      await inSteps(() => this.commit(this.initial, `dev ${name}: end`));
      print(this.initial === null ? `plugin ${name} is removed` : `plugin ${name} is as it was before`);
    }
  }

  /** 'on 7/7 proxies, revision 12, 9 kB, 5 tests passed'; null: it is there already. */
  private async swap(): Promise<string | null> {
    const project = await openProject(this.folder);
    const built = await buildProject(project, 'debug');
    const tested = this.options.tests ? await this.test(project, built) : '';
    const plugin = await readPackage(this.folder, (file) =>
      file === project.manifest.wasm ? Promise.resolve(built.bytes) : readFile(join(this.folder, file)),
    );
    const found = { plugin, origin: { source: `file:${relative(process.cwd(), built.wasm)}` } };
    const capabilities = built.description.capabilities.map(({ name }) => name);
    const { config, selector } = this.options;
    const wishes = { enabled: true, config, selector };
    const after = pluginResource(this.key, found, { digest: built.digest, capabilities }, wishes, this.current);
    await this.accept(built, plugin.schema, after);
    if (isDeepStrictEqual(this.current?.spec, after.spec)) return null;
    await this.mesh.putModule(built.digest, built.bytes);
    const { revision, rollout } = await this.commit(after, `dev ${this.key.name}`);
    const where = rollout === null ? 'stored' : `on ${rollout.acked}/${rollout.expected} proxies`;
    return `${where}, revision ${revision}, ${built.bytes.length} bytes${tested}`;
  }

  /** Throws StepFailed or CliError when a test fails. */
  private async test(project: Project, built: Built): Promise<string> {
    const fixtures = await readFixtures(this.folder, process.cwd());
    if (fixtures.problems.length > 0) {
      const problems = fixtures.problems.map(
        (problem) => ({ ...problem, severity: 'error', code: 'fixture' }) as const,
      );
      throw new CliError('the fixtures are wrong', undefined, problems);
    }
    if (fixtures.tests.length === 0) return ', no tests';
    const loaded = loadProject(project, built.bytes);
    if (typeof loaded === 'string') throw new CliError(`the module cannot run: ${loaded}`);
    const report = await runSuite(loaded, fixtures);
    if (report.failed === 0) return `, ${report.passed} tests passed`;
    note(testFailures(report));
    throw new CliError(`${report.failed} of ${report.tests.length} tests failed`);
  }

  /** Starts it with its configuration before any proxy does. */
  private async accept(built: Built, schema: unknown, { spec }: PluginResource): Promise<void> {
    const problems = compileSchema(schema)(spec.config ?? {});
    if (problems.length > 0) {
      throw new StepFailed('trial', 'refused', `the configuration does not fit its schema: ${problems.join('; ')}`);
    }
    await trial(checkPlugin(built.bytes), {
      name: this.key.name,
      digest: built.digest,
      rootId: spec.rootId ?? '',
      kind: spec.type,
      configuration: spec.config,
    });
  }

  private async commit(after: PluginResource | null, message: string): ReturnType<typeof commitPlugin> {
    const { key, mesh, options, current: before } = this;
    try {
      const committed = await commitPlugin(mesh, { key, before, after, message }, options);
      this.changed = true;
      return committed;
    } finally {
      // As the control plane has it: also after a change that was undone, or was somebody else's.
      this.current = await readPlugin(mesh, key).catch(() => before);
    }
  }
}
