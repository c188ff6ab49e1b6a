// Export: the time of wakeAfter() has come.

import { enter } from '../contexts';
import { HttpFilter } from '../filter';
import { WAKE } from '../layout';

export function proxy_on_foreign_function(id: u32, what: u32, _size: u32): void {
  const filter = enter(id);
  if (filter != null && what == WAKE) changetype<HttpFilter>(filter).onWake();
}
