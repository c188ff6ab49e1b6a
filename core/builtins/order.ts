// The built-in filters in the order of a request: the one list of them, from which follow names, chains, anchors and modules.
// Constants only, for the configuration and the build of filters/ read it; builtins.ts puts the rooms behind the names.
// Behind all of them come telemetry and retry, native stages that need no module and no place in a list.

/** A listener's side of the mesh: at the server, at the client, or at the edge. */
export type ChainKind = 'inbound' | 'outbound' | 'gateway';

/** Of one built-in filter, whose rooms are core/builtins/<name>/ and filters/<name>/. */
interface Place {
  /** As anchors, FilterChains and proxy-config call it. */
  readonly name: string;
  /** The chains that it stands in by itself. */
  readonly chains: readonly ChainKind[];
  /** Policies rest on it: no FilterChain leaves it out. Plugins of this phase stand before it. */
  readonly guards?: 'AUTHN' | 'AUTHZ' | 'CUSTOM';
  /** A FilterChain may insert it, with a configuration of its own. */
  readonly insertable?: true;
  /** Files of filters/<name>/ that are modules beside index.ts: of `answers`, the module is <name>-answers. */
  readonly variants?: readonly string[];
  /** It allocates nothing once it is configured: its modules need no heap that frees. */
  readonly allocates?: false;
}

const SERVER = ['inbound', 'gateway'] as const;
const CLIENT = ['outbound', 'gateway'] as const;

const LIST = [
  // First, so that pages may read the answers that those behind it give, and preflights, which carry nothing, need nothing.
  { name: 'cors', chains: CLIENT, allocates: false },
  // Before tokens are looked at: who may answer for them may be the one who is asked.
  { name: 'ext-authz', chains: SERVER, guards: 'CUSTOM', variants: ['answers'] },
  { name: 'authn', chains: SERVER, guards: 'AUTHN' },
  { name: 'rbac', chains: SERVER, guards: 'AUTHZ' },
  { name: 'ratelimit', chains: SERVER, variants: ['answers'] },
  { name: 'fault', chains: CLIENT, insertable: true, allocates: false },
  { name: 'headers', chains: [], insertable: true },
] as const satisfies readonly Place[];

type Listed = (typeof LIST)[number];
type VariantOf<One> = One extends {
  name: infer Name extends string;
  variants: readonly (infer Variant extends string)[];
}
  ? `${Name}-${Variant}`
  : never;

export type BuiltinName = Listed['name'];
export type ModuleName = BuiltinName | VariantOf<Listed> | ProtocolName;

/**
 * Network filters of our own: where the port of a connection that is carried as bytes speaks this protocol, one reads it and counts
 * its commands. Their rooms are filters/<name>/ alone.
 */
export const PROTOCOLS = ['redis', 'mongo'] as const;
export type ProtocolName = (typeof PROTOCOLS)[number];

export const ORDER: readonly (Place & { readonly name: BuiltinName })[] = LIST;
