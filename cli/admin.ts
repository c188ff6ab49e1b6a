// The admin interface of a proxy, by the proxy's name or by its own address.
import { Api } from './api.ts';
import { CliError, EXIT } from './exit.ts';
import { call } from './http.ts';
import { askForProxy, proxyName } from './proxies.ts';

export interface AdminAddress {
  readonly url: string;
  /** As errors call it. */
  readonly name: string;
}

/** Throws CliError when there is no such proxy. */
export async function adminOf(proxy: string): Promise<AdminAddress> {
  if (/^https?:\/\//.test(proxy)) return { url: proxy.replace(/\/$/, ''), name: proxy };
  const api = await Api.open();
  const { id, admin } = await askForProxy(api, proxy);
  const name = proxyName(id);
  if (!admin) throw new CliError(`${name} has no admin interface`);
  return { url: admin.replace(/\/$/, ''), name };
}

/** Throws CliError: unreachable, or what the proxy answered. */
export async function askAdmin({ url, name }: AdminAddress, path: string): Promise<unknown> {
  const { status, text } = await call(url + path, { who: `proxy ${name}` });
  if (status !== 200) throw new CliError(`proxy ${name} answered ${status} to ${path}: ${text.slice(0, 200)}`);
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError(`proxy ${name} answered ${path} with something that is not JSON`, EXIT.failure);
  }
}
