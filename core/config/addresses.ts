// Addresses that a proxy listens on or that something listens on: of Unix sockets, and of IP with or without a port.

import { isIP } from 'node:net';
import { quote } from './formats.ts';
import { string } from './schema.ts';

const UNIX = 'unix://';

export function isUnixSocket(address: string): boolean {
  return address.startsWith(UNIX);
}

/** Why what begins with unix:// leads to no socket, or null: the absolute path of a file, or an abstract name. */
export function unixSocketFault(address: string): string | null {
  const path = address.slice(UNIX.length);
  return path.startsWith('@') || /^\/.*[^/]$/.test(path)
    ? null
    : `${quote(address)} is no address: ${UNIX} needs the absolute path of a file`;
}

/** Why nobody can listen there with a port, or null. '' = not given. */
function listenFault(address: string): string | null {
  return address === '' || isIP(address) !== 0 ? null : `${quote(address)} is no address to listen on: an IP address`;
}

export const listenAddress = string({ code: 'address', check: listenFault });
/** A Unix socket, too. */
export const bindAddress = string({
  code: 'address',
  check: (address) => (isUnixSocket(address) ? unixSocketFault(address) : listenFault(address)),
});
