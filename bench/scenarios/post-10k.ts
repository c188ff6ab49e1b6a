// A request with a body that fits into one read of most proxies, but not into one packet.

import type { Scenario } from './scenario.ts';

export const post10k: Scenario = {
  name: 'post-10k',
  about: 'POST of 10 KiB, 300 B answer, 32 keep-alive connections',
  method: 'POST',
  requestBodyBytes: 10 << 10,
  responseBodyBytes: 300,
  connections: 32,
};
