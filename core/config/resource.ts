// The shape that every resource has after decoding, whatever its kind, and how problems with it are told. Types only.

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

/** `kind/namespace/name`, with the kind's group left out: kinds are unique among those we know. */
export function resourceKey(resource: { kind: string; metadata: { namespace: string; name: string } }): string {
  return `${resource.kind}/${resource.metadata.namespace}/${resource.metadata.name}`;
}

export interface Problem {
  readonly severity: 'error' | 'warning';
  /** 'field_unknown', 'type', 'oneof', 'regex', 'reference', 'yaml', 'kind', ... */
  readonly code: string;
  readonly message: string;
  /** `Kind/namespace/name`, when it is known whose problem it is. */
  readonly resource?: string;
  /** JSON pointer inside the document: '/spec/http/0/match/0/uri'. */
  readonly pointer?: string;
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  readonly column?: number;
}
