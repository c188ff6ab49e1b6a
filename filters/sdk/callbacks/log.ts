// Export: the exchange has ended.

import { beginCallback } from '../arena';
import { filterOf } from '../contexts';

export function proxy_on_log(id: u32): void {
  beginCallback();
  const filter = filterOf(id);
  if (filter != null) filter.onLog();
}
