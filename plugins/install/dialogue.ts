// Who wants a plugin changed: what it is told meanwhile, and what it is asked.
import type { Capability } from '../../core/wasm/trial/capabilities.ts';
import type { Step } from '../step.ts';

export interface Dialogue {
  /** What happens, for people. */
  tell(step: Step, what: string): void;
  /**
   * Whether `plugin` ('jwt 1.2.0') may be installed. `open`: what it can do that is neither ordinary nor allowed already; may be
   * empty. Null agrees; else why not, in a sentence.
   */
  agree(plugin: string, open: readonly Capability[]): Promise<string | null>;
}
