// Why calls of a guest are refused: one line in the log for each mistake, since a guest makes the same one at every request.

import type { Guest } from './guest.ts';

/** Different complaints of one instance that are logged, each once. */
const MAX_COMPLAINTS = 32;

export type Refuse = (status: number, why: string) => number;

export function refusals(vm: Guest): Refuse {
  const complained = new Set<string>();
  return (status, why) => {
    if (!complained.has(why) && complained.size < MAX_COMPLAINTS) {
      complained.add(why);
      vm.host.log('warning', vm.current?.plugin.name ?? '', why);
    }
    return status;
  };
}
