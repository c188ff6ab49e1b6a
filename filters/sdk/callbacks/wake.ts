// Export: the time of wakeAfter() has come.

import { enter } from '../contexts';
import { HttpFilter } from '../filter';

const WAKE: u32 = 1;

export function proxy_on_foreign_function(id: u32, what: u32, _size: u32): void {
  const filter = enter(id);
  if (filter != null && what == WAKE) changetype<HttpFilter>(filter).onWake();
}
