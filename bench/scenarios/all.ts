// The scenarios, in the order in which they are run and reported.

import { bodies } from './bodies.ts';
import { bookinfo } from './bookinfo.ts';
import { connections } from './connections.ts';
import { filters } from './filters.ts';
import { paths } from './paths.ts';
import { process } from './process.ts';
import { protocols } from './protocols.ts';
import type { Scenario } from './scenario.ts';
import { shards } from './shards.ts';
import { tls } from './tls.ts';

export const scenarios: readonly Scenario[] = [
  ...bodies,
  ...filters,
  ...connections,
  ...paths,
  ...protocols,
  ...tls,
  ...bookinfo,
  ...shards,
  ...process,
];
