// What a connection speaks, by the name that ALPN has for it. A codec that comes is a name here and a line in the map that
// core/proxy.ts gives to listeners and pools, and these two then have to be told more: what a client negotiated, and what a
// service's port says that it speaks.

import type { ListenerSpec } from './listener-spec.ts';

export type Protocol = 'http/1.1';

/** Of every connection that this listener accepts: its port says so. */
export function protocolOf(_listener: ListenerSpec): Protocol {
  return 'http/1.1';
}

/** To an endpoint. */
export function protocolTo(_address: string, _port: number): Protocol {
  return 'http/1.1';
}
