// A plugin's folder on its way to others: everything that an installation would check is checked before it is packed.
import { digestOf } from '../bus/digest.ts';
import { checkPlugin } from '../core/wasm/trial/check.ts';
import { checkDeclared } from './allow.ts';
import { compileSchema } from './configuration.ts';
import { resourceName } from './manifest.ts';
import { packPlugin } from './pack.ts';
import { integrityOf } from './source/integrity.ts';
import { findLocal } from './source/local.ts';
import { StepFailed } from './step.ts';
import { trial } from './trial.ts';

export interface Release {
  readonly name: string;
  readonly version: string;
  readonly tarball: Buffer;
  /** 'acme-jwt-1.0.0.tgz', as npm calls it. */
  readonly file: string;
  readonly integrity: string;
  /** Of the module. */
  readonly digest: string;
}

/** Throws StepFailed. */
export async function packRelease(folder: string): Promise<Release> {
  const { plugin } = await findLocal(folder);
  const { name, version, manifest, module, schema } = plugin;
  const refuse = (why: string): StepFailed => new StepFailed('check', 'refused', `${folder}: ${why}`);
  if (version === undefined) throw refuse('a package needs a version');
  const checked = checkPlugin(module);
  if (checked.description.refusal !== null) throw refuse(checked.description.refusal);
  if (manifest.capabilities === undefined) {
    const names = checked.description.capabilities.map((capability) => capability.name);
    throw refuse(`mesh.plugin.capabilities is missing: say what it may do, which is ${JSON.stringify(names)}`);
  }
  checkDeclared(checked.description.capabilities, manifest.capabilities);
  const problems = compileSchema(schema)(manifest.defaultConfig ?? {});
  if (problems.length > 0 && manifest.defaultConfig !== undefined) {
    throw refuse(`its default configuration does not fit its schema: ${problems.join('; ')}`);
  }
  const digest = digestOf(module);
  if (problems.length === 0) {
    const { rootId = '', type, defaultConfig } = manifest;
    await trial(checked, { name: resourceName(name), digest, rootId, kind: type, configuration: defaultConfig });
  }
  const tarball = await packPlugin(folder, plugin);
  const file = `${name.replace(/^@/, '').replace('/', '-')}-${version}.tgz`;
  return { name, version, tarball, file, integrity: integrityOf(tarball), digest };
}
