// Export: the configuration's timer.

import { beginCallback } from '../arena';
import { filterOf } from '../contexts';

export function proxy_on_tick(root: u32): void {
  beginCallback();
  const filter = filterOf(root);
  if (filter != null) filter.onTick();
}
