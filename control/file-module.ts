// A WasmPlugin's module that is a file of whoever applies it: what its resource says of it must be true.
import type { WasmPluginSpec } from '../core/config/kinds/wasm-plugin.ts';
import { StepFailed } from '../plugins/step.ts';

/** `refusal`: why it cannot run, null also for one that was stored, and so checked, before. Throws StepFailed. */
export function checkFileModule(spec: WasmPluginSpec, digest: string, refusal: string | null): void {
  const { url, sha256, verificationKey } = spec;
  if (sha256 && digest !== `sha256:${sha256}`) {
    throw new StepFailed('verify', 'refused', `${url} has the ${digest}, not ${sha256}`);
  }
  if (verificationKey) {
    throw new StepFailed('verify', 'refused', 'a verificationKey is for images and https addresses, not for files');
  }
  if (refusal !== null) throw new StepFailed('check', 'refused', `${url} cannot run: ${refusal}`);
}
