// Export: the time of wakeAfter() has come.

import { beginCallback } from '../arena';
import { filterOf } from '../contexts';

const WAKE: u32 = 1;

export function proxy_on_foreign_function(id: u32, what: u32, _size: u32): void {
  beginCallback();
  const filter = filterOf(id);
  if (filter != null && what == WAKE) filter.onWake();
}
