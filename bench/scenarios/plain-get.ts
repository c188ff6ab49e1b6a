// The smallest useful request: what a proxy costs by being there.

import type { Scenario } from './scenario.ts';

export const plainGet: Scenario = {
  name: 'plain-get',
  about: 'GET, 300 B answer, 32 keep-alive connections',
  method: 'GET',
  requestBodyBytes: 0,
  responseBodyBytes: 300,
  connections: 32,
};
