// What a plugin may do: what its module imports has to be declared by its manifest and agreed to by whoever installs it.
import { type Capability, capabilityNames } from '../core/wasm/trial/capabilities.ts';
import { StepFailed } from './step.ts';

/**
 * What every filter is for, or what cannot leave the request that it is about: nobody is asked for these. Everything else,
 * such as calls, bodies, answers of its own and what outlives a request, needs an agreement.
 */
const ORDINARY = new Set([
  'read_headers',
  'change_headers',
  'read_properties',
  'change_properties',
  'metrics',
  'timer',
  'environment',
  'random',
  'log',
]);

/** Throws StepFailed (check, refused) when the module can do what the manifest does not declare. */
export function checkDeclared(imported: readonly Capability[], declared: readonly string[] | undefined): void {
  if (declared === undefined) return;
  const known = capabilityNames();
  const unknown = declared.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new StepFailed(
      'check',
      'refused',
      `mesh.plugin.capabilities names ${JSON.stringify(unknown)}, which is none; there are ${known.join(', ')}`,
    );
  }
  const secret = imported.filter(({ name }) => !declared.includes(name));
  if (secret.length === 0) return;
  const names = secret.map(({ name }) => name).join(', ');
  throw new StepFailed('check', 'refused', `its module can do what its manifest does not declare: ${names}`);
}

/** Those that somebody has to agree to: neither ordinary nor allowed already. */
export function unsettled(imported: readonly Capability[], allowed: readonly string[]): Capability[] {
  return imported.filter(({ name }) => !ORDINARY.has(name) && !allowed.includes(name));
}

/** Throws StepFailed (usage) for names that are no capabilities. */
export function checkAllowed(allowed: readonly string[]): void {
  const known = capabilityNames();
  const unknown = allowed.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const message = `--allow ${unknown}: there is no such capability; there are ${known.join(', ')}`;
  throw new StepFailed('allow', 'usage', message);
}
