// What ends TLS on one port of a gateway, by the name that a client asks for. Types only.

import type { Terminator } from './terminator.ts';

export interface Terminators {
  readonly names: { find(name: string): Terminator | null };
  /** Whether a server of this key is among them. */
  has(key: string): boolean;
}
