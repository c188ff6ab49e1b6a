// A field that changes what is done, in a mesh that shows it. Types only.

import type { KindName } from '../../../../core/config/kind-names.ts';

export interface Row {
  readonly kind: KindName;
  /** As 'routes[].filter', of the first resource of its kind, in the first of its lists. */
  readonly field: string;
  readonly mesh: readonly object[];
  /** Undefined: left out. */
  readonly values: readonly [unknown, unknown];
  /** The second is refused, here: that is what the field does. */
  readonly refused?: true;
}
