// Export: a queue has something.

import { enter } from '../contexts';

export function proxy_on_queue_ready(root: u32, queue: u32): void {
  const filter = enter(root);
  if (filter != null) filter.onQueue(queue);
}
