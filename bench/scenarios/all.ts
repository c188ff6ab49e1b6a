// The scenarios, in the order in which they are run and reported.

import { bodies } from './bodies.ts';
import { bookinfo } from './bookinfo.ts';
import { connections } from './connections.ts';
import { filters } from './filters.ts';
import { paths } from './paths.ts';
import { process } from './process.ts';
import type { Scenario } from './scenario.ts';
import { shards } from './shards.ts';

export const scenarios: readonly Scenario[] = [
  ...bodies,
  ...filters,
  ...connections,
  ...paths,
  ...bookinfo,
  ...shards,
  ...process,
];
