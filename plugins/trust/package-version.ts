// What a registry says of one version of a package: what is checked of it. Types only.

export interface PackageVersion {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly deprecated?: string;
  readonly repository?: unknown;
  readonly dist: {
    readonly tarball: string;
    readonly integrity?: string;
    readonly signatures?: readonly { readonly keyid: string; readonly sig: string }[];
    readonly attestations?: { readonly url: string };
  };
  /** When it was published, ISO 8601; a key may have expired since. */
  readonly _time?: string;
}
