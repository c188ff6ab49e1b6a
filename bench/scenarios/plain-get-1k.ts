// A small JSON answer.

import type { Scenario } from './scenario.ts';

export const plainGet1k: Scenario = {
  name: 'plain-get-1k',
  about: 'GET, 1 KiB answer, 32 keep-alive connections',
  method: 'GET',
  requestBodyBytes: 0,
  responseBodyBytes: 1024,
  connections: 32,
};
