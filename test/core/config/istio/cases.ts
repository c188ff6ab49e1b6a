// The shape of a table of what Istio's validation takes and refuses of a kind. The cases are written after its documentation,
// its API's comments and what its validation does; istio-validation.test.ts runs them.

/** Where, below /spec; from the root where it begins with a slash. Then metadata, where the kind is not all there is to it. */
type At = readonly [spec: string, place: string, metadata?: string];

export interface Cases {
  readonly apiVersion: string;
  readonly kind: string;
  /** Without a word. */
  readonly taken: readonly (string | readonly [spec: string, metadata: string])[];
  /** Taken, and told of. */
  readonly warned: readonly At[];
  readonly refused: readonly At[];
  /** Istio takes these: docs/differences.md says why they are refused. */
  readonly stricter?: readonly At[];
  /** And these it refuses: the same page says why they are taken. */
  readonly laxer?: readonly string[];
}
