// Export: the configuration's timer.

import { enter } from '../contexts';

export function proxy_on_tick(root: u32): void {
  const filter = enter(root);
  if (filter != null) filter.onTick();
}
