// A few seconds of the fuzz target, with the same seeds every time. Longer: `node test/fuzz/history.ts 600`.

import { test } from 'node:test';
import { history } from './history.ts';

test('a snapshot depends on the configuration and the endpoints alone, whatever the proxy ran before', () => {
  for (let seed = 1; seed <= 150; seed++) history(seed);
});
