// The workloads of Bookinfo, the store of their stars and the stock of books, as `mesh run` starts each of them behind a sidecar.

export interface BookinfoWorkload {
  readonly service: 'productpage' | 'details' | 'reviews' | 'ratings' | 'stars' | 'stock';
  readonly version: 'v1' | 'v2' | 'v3';
  /** What makes one version different from another. */
  readonly env: Readonly<Record<string, string>>;
  /** Of what speaks no HTTP: a port of a service that its sidecar opens for it, and the variable that says where. */
  readonly upstream?: { readonly port: string; readonly variable: string };
}

export const WORKLOADS: readonly BookinfoWorkload[] = [
  { service: 'stars', version: 'v1', env: {} },
  { service: 'ratings', version: 'v1', env: {}, upstream: { port: 'stars:9080', variable: 'STARS' } },
  { service: 'details', version: 'v1', env: {} },
  { service: 'stock', version: 'v1', env: {} },
  { service: 'reviews', version: 'v1', env: {} },
  { service: 'reviews', version: 'v2', env: { ENABLE_RATINGS: 'true' } },
  { service: 'reviews', version: 'v3', env: { ENABLE_RATINGS: 'true', STAR_COLOR: 'red' } },
  { service: 'productpage', version: 'v1', env: {} },
];
