// The shape that every resource has after decoding, whatever its kind, and how problems with it are told.

export interface Metadata {
  readonly name: string;
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Resource<Spec = unknown> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec: Spec;
}

/**
 * A kind's name among all that we know. Istio and the Gateway API both have a Gateway: Istio's goes by its bare name, as in
 * `mesh get gateway`, and the other one by `Gateway.gateway.networking.k8s.io`, as kubectl spells it. No other names meet.
 */
export function kindName(resource: { readonly apiVersion: string; readonly kind: string }): string {
  return resource.kind === 'Gateway' && resource.apiVersion.startsWith('gateway.networking.k8s.io/')
    ? 'Gateway.gateway.networking.k8s.io'
    : resource.kind;
}

/** Identity of a resource, whatever its version: `kindName/namespace/name`, the namespace '' for cluster-wide kinds. */
export function resourceKey(resource: {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly namespace: string; readonly name: string };
}): string {
  return `${kindName(resource)}/${resource.metadata.namespace}/${resource.metadata.name}`;
}

export interface Problem {
  readonly severity: 'error' | 'warning';
  /** 'field_unknown', 'type', 'oneof', 'regex', 'reference', 'yaml', 'kind', ...; Istio's number ('IST0101') where its analyzer has one. */
  readonly code: string;
  readonly message: string;
  /** The resource's key, when it is known whose problem it is. */
  readonly resource?: string;
  /** JSON pointer inside the document: '/spec/http/0/match/0/uri'. */
  readonly pointer?: string;
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  readonly column?: number;
}
