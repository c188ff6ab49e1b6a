// TLS towards a service outside of the mesh, as a DestinationRule asks for it: whose certificates are believed and which one is
// shown, by files of the proxy's machine or by secrets. Types only.

import type { TlsLimits } from './limits.ts';

export interface Origination {
  /** Of authorities; '': the system's. */
  readonly caFile: string;
  /** What this side shows, '': nothing. */
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Of certificates that were taken back; ''. */
  readonly crlFile: string;
  /** What this side shows and whom it believes by secrets, in place of files: 'kubernetes://a', 'kubernetes://a-cacert'; ''. */
  readonly pairSecret: string;
  readonly trustSecret: string;
  /** Why this proxy has no secret that is named, and so nothing is sent; ''. */
  readonly withheld: string;
  readonly limits: TlsLimits;
  /** False: whoever answers is believed. */
  readonly verified: boolean;
  /** HTTP/2 is what is wished for, and a server that does not speak it is spoken to in HTTP/1.1. */
  readonly fallsBack: boolean;
}
