// What a peer is configured to do with a request before it reaches whoever answers. The same for all peers of a scenario.

/** The benchmark's modules, by what they were built with: our SDK, the public one of Rust, that of Go (`filter-files.ts`). */
export type WasmFilter = 'wasm-header' | 'wasm-rust' | 'wasm-go';

export interface Setup {
  /**
   * Who answers behind it: the one upstream, an application that it was started with, or Bookinfo's four applications with a
   * proxy beside each of them. Those that speak HTTP/2: `h2`, `grpc` with trailers, `grpc-echo` as long as its client speaks;
   * `websocket` sends back what it is sent.
   */
  readonly behind: 'upstream' | 'application' | 'bookinfo' | 'h2' | 'grpc' | 'grpc-echo' | 'websocket';
  /** What it takes from its clients and how: HTTP/2 goes on as HTTP/2, bytes without a look at them, and what came by TLS in plain text. */
  readonly speaks: 'http1' | 'h2' | 'tls' | 'bytes';
  /**
   * `plain`: pass it on. `chain`: verify a JSON web token, ask for its principal by a rule, take a token from a bucket that
   * never is empty, draw for a fault of one in a million, count. Others: run that module on request and answer.
   */
  readonly filters: 'plain' | 'chain' | WasmFilter;
  /** Above 1: path prefixes /route-0/, /route-1/, ... that are compared in this order, each leading to the upstream. */
  readonly routes: number;
  /** Hosts with one route each that are there beside the one that is asked. */
  readonly services: number;
  /** Threads or workers that serve; peers other than weft and nginx have one. */
  readonly shards: number;
  /** Proxies of this kind one behind the other. */
  readonly hops: number;
  /**
   * `mtls`: two that the peer starts itself, as a caller's and a server's sidecar, in mutual TLS between them; `mtls-apart`: the same
   * where requests do not share connections, which is how peers other than weft do it anyway.
   */
  readonly pair: 'none' | 'mtls' | 'mtls-apart';
}

export const PLAIN: Setup = {
  behind: 'upstream',
  speaks: 'http1',
  filters: 'plain',
  routes: 1,
  services: 0,
  shards: 1,
  hops: 1,
  pair: 'none',
};

/** Of the chain's limit, in each second: nobody is refused. */
export const MOST_REQUESTS = 4_000_000_000;

/** One name for equal setups. */
export function setupKey({ behind, speaks, filters, routes, services, shards, hops, pair }: Setup): string {
  return `${behind}-${speaks}-${filters}-${routes}-${services}-${shards}-${hops}-${pair}`;
}

/** The module that it runs, or null. */
export function wasmFilterOf({ filters }: Setup): WasmFilter | null {
  return filters === 'plain' || filters === 'chain' ? null : filters;
}

/** Nothing but passing on, with as many routes and services as you like: what every peer can be configured to. */
export function isPlain({ behind, speaks, filters, shards, pair }: Setup): boolean {
  return behind === 'upstream' && speaks === 'http1' && filters === 'plain' && shards === 1 && pair === 'none';
}

/** In one of these protocols, and nothing but passing on beside that. */
export function isPlainBut(setup: Setup, speaks: readonly Setup['speaks'][]): boolean {
  const started = setup.behind === 'application' || setup.behind === 'bookinfo';
  return !started && speaks.includes(setup.speaks) && isPlain({ ...setup, behind: 'upstream', speaks: 'http1' });
}

export function routePrefixes({ routes }: Setup): readonly string[] {
  return routes === 1 ? ['/'] : Array.from({ length: routes }, (_, i) => `/route-${i}/`);
}

export function serviceHosts({ services }: Setup): readonly string[] {
  return Array.from({ length: services }, (_, i) => `service-${i}.bench`);
}
