// The six workloads of Bookinfo, as `mesh run` starts each of them behind a sidecar.

export interface BookinfoWorkload {
  readonly service: 'productpage' | 'details' | 'reviews' | 'ratings';
  readonly version: 'v1' | 'v2' | 'v3';
  /** What makes one version different from another. */
  readonly env: Readonly<Record<string, string>>;
}

export const WORKLOADS: readonly BookinfoWorkload[] = [
  { service: 'ratings', version: 'v1', env: {} },
  { service: 'details', version: 'v1', env: {} },
  { service: 'reviews', version: 'v1', env: {} },
  { service: 'reviews', version: 'v2', env: { ENABLE_RATINGS: 'true' } },
  { service: 'reviews', version: 'v3', env: { ENABLE_RATINGS: 'true', STAR_COLOR: 'red' } },
  { service: 'productpage', version: 'v1', env: {} },
];
