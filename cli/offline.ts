// Files judged where no mesh is: the same problems that a control plane tells, from the same checks, but for what only it can
// know. Nothing is asked and nothing is written.
import { fileURLToPath } from 'node:url';
import { digestOf } from '../bus/digest.ts';
import { ApiError } from '../control/api-error.ts';
import { CheckedState } from '../control/checker/checked-state.ts';
import type { SourceFile } from '../control/checker/messages.ts';
import { planApply } from '../control/checker/plan.ts';
import { refuse } from '../control/refuse.ts';
import { decodeFiles, placeProblems } from '../core/config/decode.ts';
import { isKind } from '../core/config/is-kind.ts';
import { moduleDigest } from '../core/config/modules.ts';
import { type Problem, type Resource, resourceKey } from '../core/config/resource.ts';
import { CliError, EXIT } from './exit.ts';
import { readWasm } from './wasm-file.ts';

export interface Judgement {
  readonly changes: readonly { readonly key: string; readonly change: 'valid' }[];
  readonly warnings: readonly Problem[];
}

/** As if they were the whole configuration. Throws CliError: refused. */
export async function judgeFiles(files: readonly SourceFile[]): Promise<Judgement> {
  const decoded = decodeFiles(files.map(({ name, text }) => ({ text, file: name })));
  const { resources } = decoded;
  try {
    refuse(decoded.problems);
    const modules = placeProblems(await moduleProblems(resources), decoded);
    refuse(modules);
    const all = new Map(resources.map((resource) => [resourceKey(resource), resource]));
    const { refusal, warnings } = new CheckedState().try(
      planApply(() => undefined, all),
      decoded,
    );
    refuse(refusal);
    return {
      changes: [...all.keys()].map((key) => ({ key, change: 'valid' })),
      warnings: [...warnings, ...modules],
    };
  } catch (error) {
    if (error instanceof ApiError) throw new CliError(error.message, EXIT.refused, error.problems);
    throw error;
  }
}

async function moduleProblems(resources: readonly Resource[]): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const resource of resources) {
    const tell = (severity: Problem['severity'], message: string, pointer: string): void => {
      problems.push({ severity, code: 'module', message, resource: resourceKey(resource), pointer });
    };
    if (isKind(resource, 'WasmPlugin')) {
      const { spec } = resource;
      if (!spec.url.startsWith('file:')) {
        tell('warning', `${spec.url} is fetched and checked when it is applied, and not here`, '/spec/url');
        continue;
      }
      const [{ checkFileModule }, { describePlugin }, { StepFailed }] = await Promise.all([
        import('../control/file-module.ts'),
        import('../core/wasm/trial/check.ts'),
        import('../plugins/step.ts'),
      ]);
      try {
        const { bytes } = await readWasm(fileURLToPath(spec.url));
        checkFileModule(spec, digestOf(bytes), describePlugin(bytes).refusal);
      } catch (error) {
        const step = error instanceof StepFailed ? error.step : 'fetch';
        tell('error', `${step}: ${(error as Error).message}`, '/spec/url');
      }
    } else if (moduleDigest(resource) !== null) {
      tell('warning', 'whether its module is stored is known to its mesh, and not here', '/spec/digest');
    }
  }
  return problems;
}
