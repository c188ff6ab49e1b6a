// Which proxy a user means: by the name of its workload, as far as it says which.
import type { ProxyReport } from '../control/rollout.ts';
import { closest } from '../core/config/spelling.ts';
import { CliError } from './exit.ts';

/** 'reviews-v1-abcde.default' of 'sidecar~127.1.2.3~reviews-v1-abcde.default~default.svc.cluster.local'. */
export function proxyName(id: string): string {
  return id.split('~')[2] ?? id;
}

/** By id, by name, or by the beginning of one. Throws CliError when none or several fit. */
export function findProxy(proxies: readonly ProxyReport[], wanted: string): ProxyReport {
  const exact = proxies.find(
    ({ id }) => id === wanted || proxyName(id) === wanted || proxyName(id).split('.')[0] === wanted,
  );
  if (exact !== undefined) return exact;
  const fitting = proxies.filter(({ id }) => proxyName(id).startsWith(wanted));
  if (fitting.length === 1) return fitting[0];
  const names = (fitting.length === 0 ? proxies : fitting).map(({ id }) => proxyName(id));
  if (fitting.length > 1) throw new CliError(`'${wanted}' may be any of ${names.join(', ')}`);
  const hint = closest(
    wanted,
    names.flatMap((name) => [name, name.split('.')[0], name.split('.')[0].replace(/-[^-]*$/, '')]),
  );
  if (hint !== null) throw new CliError(`there is no proxy '${wanted}'; did you mean '${hint}'?`);
  throw new CliError(`there is no proxy '${wanted}'${names.length === 0 ? '' : `; there are ${names.join(', ')}`}`);
}
