// Who may speak to the admin endpoints. They have no password: what protects them is that they listen on loopback, and that
// a page of the web, even one whose name was pointed at this address, is not let in.

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

export interface Refusal {
  readonly status: 400 | 403;
  readonly message: string;
}

/** null: may go on. `bound` is the address or name that the server was told to listen on. */
export function refusalOf(request: IncomingMessage, bound: string): Refusal | null {
  const { host = '', origin } = request.headers;
  const name = hostName(host);
  if (name === null || !isOurs(name, bound, request.socket.localAddress ?? '')) {
    return { status: 403, message: `the host ${shown(host)} is not one of this proxy` };
  }
  // Another server on this machine, on another port, is another origin.
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) {
    return { status: 403, message: `requests from the origin ${shown(origin)} are refused` };
  }
  const site = request.headers['sec-fetch-site'];
  const reads = request.method === 'GET' || request.method === 'HEAD';
  if (site === 'cross-site' || (site === 'same-site' && !reads)) {
    return { status: 403, message: 'requests from other sites are refused' };
  }
  return null;
}

/** Only names and addresses that nobody else can make lead here. */
function isOurs(name: string, bound: string, local: string): boolean {
  if (name === 'localhost' || name === bound.toLowerCase()) return true;
  const version = isIP(name);
  if (version === 4 && name.startsWith('127.')) return true;
  if (name === '::1') return true;
  return version !== 0 && (name === local || `::ffff:${name}` === local);
}

/** In lower case, without port and brackets; null when it is no host. */
function hostName(authority: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/.exec(authority.toLowerCase());
  return match === null ? null : (match[1] ?? match[2]);
}

function shown(value: string): string {
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}...` : value);
}
