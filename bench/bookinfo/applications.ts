// Bookinfo's applications as they are started for a page of the benchmark: of reviews version 3 alone, so that every page
// is the same work: productpage asks details and reviews, and reviews asks ratings.

import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Child, Children } from '../children.ts';
import { freePort } from '../ports.ts';

export interface Application {
  readonly service: string;
  readonly version: string;
  /** Services that it calls. */
  readonly calls: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Whoever is called comes before who calls. */
export const APPLICATIONS: readonly Application[] = [
  { service: 'ratings', version: 'v1', calls: [], environment: {} },
  { service: 'details', version: 'v1', calls: [], environment: {} },
  {
    service: 'reviews',
    version: 'v3',
    calls: ['ratings'],
    // The page tells by whom the reviews were served.
    environment: { ENABLE_RATINGS: 'true', STAR_COLOR: 'red', HOSTNAME: 'reviews-v3' },
  },
  { service: 'productpage', version: 'v1', calls: ['details', 'reviews'], environment: {} },
];

export function programOf({ service }: Application): string {
  const folder = new URL('../../examples/bookinfo/apps/', import.meta.url);
  return fileURLToPath(new URL(`${service}${extname(import.meta.filename)}`, folder));
}

export interface RunningApplications {
  readonly children: readonly Child[];
  /** Port of each service, on 127.0.0.1. */
  readonly ports: ReadonlyMap<string, number>;
}

/** `way`: the port by which the first calls the second, which listens at `port`. */
export async function startApplications(
  children: Children,
  way: (from: string, to: string, port: number) => number,
): Promise<RunningApplications> {
  const ports = new Map<string, number>();
  for (const { service } of APPLICATIONS) ports.set(service, await freePort());
  const started = APPLICATIONS.map((application) => {
    const { service, calls, environment } = application;
    const called = calls.flatMap((to) => [
      [`${to.toUpperCase()}_HOSTNAME`, '127.0.0.1'],
      [`${to.toUpperCase()}_SERVICE_PORT`, String(way(service, to, ports.get(to)!))],
    ]);
    const own = { ...environment, ...Object.fromEntries(called), HOST: '127.0.0.1', PORT: String(ports.get(service)) };
    return children.start(process.execPath, [programOf(application)], own);
  });
  return { children: started, ports };
}
