// What a kind of resource is: its names, where it comes from, its schema, and what it has to do with other resources. Each
// stands in a file of kinds/.

import type { Resource } from './resource.ts';
import type { Report, Static, TSchema } from './schema.ts';
import type { Path } from './walk.ts';

export interface Kind<Spec extends TSchema = TSchema, Name extends string = string> extends Definition<Spec, Name> {
  /** As a resource spells it. */
  readonly kind: string;
}

interface Definition<Spec extends TSchema, Name extends string> {
  /** Its name among all kinds: see kindName. */
  readonly name: Name;
  /** What people type for it, as in kubectl: 'vs'. */
  readonly shortNames?: readonly string[];
  /** '' = Kubernetes' core group. */
  readonly group: string;
  /** Accepted with the same schema. The first one is the one to write. */
  readonly versions: readonly string[];
  readonly scope: 'namespace' | 'cluster';
  readonly spec: Spec;
  /** The only names that resources of it may have. */
  readonly names?: readonly string[];
  /** Annotations that mean something here: what is wrong with a value, or null. */
  readonly annotations?: Readonly<Record<string, (value: string) => string | null>>;
  /** What is wrong with a resource that its spec alone does not show. Paths are from the root of the document. */
  check?(resource: Resource<Static<Spec>>, report: Report): void;
  /** Fields beside apiVersion, kind, metadata, spec and status that are accepted and dropped. */
  readonly ignore?: readonly string[];
  /** What others may refer to, beside the resource's name. */
  declares?(resource: Resource<Static<Spec>>, to: Declarations): void;
  /** Warns of what it refers to and is not there, and of what in it has no effect beside what there is. */
  references?(resource: Resource<Static<Spec>>, inventory: Inventory, warn: Warn): void;
  /** Names of the sets of resources of this kind in which it is, and whose members may get in each other's way. */
  groups?(resource: Resource<Static<Spec>>, inventory: Inventory): readonly string[];
  /** Warns of members of one set, which come sorted by namespace and name, that get in each other's way. */
  conflicts?(
    members: readonly Resource<Static<Spec>>[],
    group: string,
    inventory: Inventory,
    warn: (resource: Resource, ...warning: Parameters<Warn>) => void,
  ): void;
}

/** `path` from the root of the document: ['spec', ...]. Codes are those of Istio's analyzer where it has one. */
export type Warn = (code: string, path: Path, message: string) => void;

export interface Declarations {
  /** Of the cluster: 'cluster.local'. */
  readonly domain: string;
  /** A full name, or a pattern. `ports` is empty: it is not known on which it serves. */
  host(host: string, ports: readonly number[]): void;
  /** Subsets of a host, as a rule of this namespace names it. */
  subsets(host: string, namespace: string, names: readonly string[]): void;
}

/** What there is to refer to. */
export interface Inventory {
  get<Spec extends TSchema>(kind: Kind<Spec>, namespace: string, name: string): Resource<Static<Spec>> | null;
  all<Spec extends TSchema>(kind: Kind<Spec>): readonly Resource<Static<Spec>>[];
  /** The full name under which a host of a rule is known; where it is not, the one that it would have. */
  resolve(host: string, namespace: string): string;
  /** These take names that resolve() gave. */
  hasHost(host: string): boolean;
  /** Empty: it is not known. */
  ports(host: string): readonly number[];
  hasSubset(host: string, subset: string): boolean;
  /** Does any known host fall under the pattern? */
  covers(pattern: string): boolean;
}

export function notFound(what: string, name: string): string {
  return `Referenced ${what} not found: ${JSON.stringify(name)}`;
}

export function defineKind<Spec extends TSchema, const Name extends string>(
  definition: Definition<Spec, Name>,
): Kind<Spec, Name> {
  return Object.freeze({ ...definition, kind: definition.name.split('.')[0] });
}
