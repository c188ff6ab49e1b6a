// What configure() of a built-in makes of policies: one value, frozen, with all that its module and the functions that the module
// calls know of them.

import type { Pattern } from '../config/regex.ts';
import type { FilterConfiguration } from '../exchange/filter.ts';
import type { ModuleName } from './order.ts';

export interface Configured extends FilterConfiguration {
  /** Of the built-in's own modules (order.ts), the one that reads these bytes. */
  readonly module: ModuleName;
}

/** `patterns`: by the numbers that the bytes have for them, which also have their texts: equal bytes are equal configurations. */
export function configured(module: ModuleName, bytes: Uint8Array, patterns: readonly Pattern[] = []): Configured {
  return Object.freeze({ bytes, patterns: Object.freeze(patterns), module });
}
