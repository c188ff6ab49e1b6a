// The admin endpoints of a proxy: by its name over the control plane and NATS, from any machine, or at an address of its own.
import { Api } from './api.ts';
import { CliError, EXIT } from './exit.ts';
import { call } from './http.ts';
import { askForProxy, proxyName } from './proxies.ts';

export interface Admin {
  /** As errors call it. */
  readonly name: string;
  /** Throws CliError when it does not answer. */
  ask(method: 'GET' | 'POST', path: string): Promise<{ readonly status: number; readonly body: string }>;
}

/** Throws CliError when there is no such proxy. */
export async function adminOf(proxy: string): Promise<Admin> {
  if (/^https?:\/\//.test(proxy)) {
    const url = proxy.replace(/\/$/, '');
    const ask: Admin['ask'] = async (method, path) => {
      const { status, text } = await call(url + path, { method, who: `proxy ${proxy}` });
      return { status, body: text };
    };
    return { name: proxy, ask };
  }
  const api = await Api.open();
  return adminOver(api, (await askForProxy(api, proxy)).id);
}

export function adminOver(api: Api, id: string): Admin {
  return { name: proxyName(id), ask: (method, path) => api.askProxy(id, method, path) };
}

/** Text. Throws CliError: unreachable, or what the proxy answered. */
export async function tellAdmin({ name, ask }: Admin, method: 'GET' | 'POST', path: string): Promise<string> {
  const { status, body } = await ask(method, path);
  if (status !== 200) throw new CliError(`proxy ${name} answered ${status} to ${path}: ${body.trim().slice(0, 200)}`);
  return body;
}

/** Throws CliError: unreachable, or what the proxy answered. */
export async function askAdmin(admin: Admin, path: string): Promise<unknown> {
  const body = await tellAdmin(admin, 'GET', path);
  try {
    return JSON.parse(body);
  } catch {
    throw new CliError(`proxy ${admin.name} answered ${path} with something that is not JSON`, EXIT.failure);
  }
}
