// Export: the exchange has ended.

import { enter } from '../contexts';

export function proxy_on_log(id: u32): void {
  const filter = enter(id);
  if (filter != null) filter.onLog();
}
