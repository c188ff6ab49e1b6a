// A WasmPlugin's module that is a file of whoever applies it: what its resource says of it must be true.
import type { WasmPluginSpec } from '../core/config/kinds/wasm-plugin.ts';
import { describePlugin } from '../core/wasm/trial/check.ts';
import { StepFailed } from '../plugins/step.ts';

/** Without `bytes` it has been stored, and so checked, before. Throws StepFailed. */
export function checkFileModule(spec: WasmPluginSpec, digest: string, bytes?: Uint8Array): void {
  const { url, sha256, verificationKey } = spec;
  if (sha256 && digest !== `sha256:${sha256}`) {
    throw new StepFailed('verify', 'refused', `${url} has the ${digest}, not ${sha256}`);
  }
  if (verificationKey) {
    throw new StepFailed('verify', 'refused', 'a verificationKey is for images and https addresses, not for files');
  }
  const refusal = bytes === undefined ? null : describePlugin(bytes).refusal;
  if (refusal !== null) throw new StepFailed('check', 'refused', `${url} cannot run: ${refusal}`);
}
