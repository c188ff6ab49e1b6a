// How an endpoint is spoken to in TLS. Types only.

import type { Origination } from '../transport/tls/origination.ts';

export interface EndpointTls {
  /** Asked for (SNI): 'outbound_.9080_.v1_.reviews.default.svc.cluster.local'. */
  readonly serverName: string;
  /** Of whom may answer: URIs, or outside of the mesh names, too; null: whom the registry has there. */
  readonly identities: readonly string[] | null;
  /** Trust domains in which whom the registry has there is known, beside its own. */
  readonly aliases: readonly string[];
  /** A rule says so: who has no certificate does not speak to it in plain text instead. */
  readonly required: boolean;
  /** Null: by the mesh's own certificates. */
  readonly origination: Origination | null;
}
