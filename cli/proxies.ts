// Which proxy a user means: by the name of its workload, as far as it says which.
import type { ProxyReport } from '../control/rollout.ts';
import { closest } from '../core/config/spelling.ts';
import type { Api } from './api.ts';
import { CliError } from './exit.ts';

/** 'reviews-v1-abcde.default' of 'sidecar~127.1.2.3~reviews-v1-abcde.default~default.svc.cluster.local'. */
export function proxyName(id: string): string {
  return id.split('~')[2] ?? id;
}

/** Asks for those that fit, and for all when none does, to tell what there is. Throws CliError when none or several fit. */
export async function askForProxy(api: Pick<Api, 'proxies'>, wanted: string): Promise<ProxyReport> {
  const fitting = await api.proxies(wanted);
  return findProxy(fitting.length > 0 ? fitting : await api.proxies(), wanted);
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
  if (fitting.length > 1) throw new CliError(`'${wanted}' may be any of ${listed(names)}`);
  const hint = closest(
    wanted,
    names.flatMap((name) => [name, name.split('.')[0], name.split('.')[0].replace(/-[^-]*$/, '')]),
  );
  if (hint !== null) throw new CliError(`there is no proxy '${wanted}'; did you mean '${hint}'?`);
  throw new CliError(`there is no proxy '${wanted}'${names.length === 0 ? '' : `; there are ${listed(names)}`}`);
}

const MAX_LISTED = 20;

/** Of thousands the first. */
export function listed(names: readonly string[]): string {
  const more = names.length - MAX_LISTED;
  return names.slice(0, MAX_LISTED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
