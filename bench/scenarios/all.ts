// The scenarios, in the order in which they are run and reported.

import { plainGet } from './plain-get.ts';
import { plainGet1k } from './plain-get-1k.ts';
import { post10k } from './post-10k.ts';
import type { Scenario } from './scenario.ts';

export const scenarios: readonly Scenario[] = [plainGet, plainGet1k, post10k];
