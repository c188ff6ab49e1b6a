// Load by Debian's wrk: one thread, closed loop. Its latencies are those of a saturated proxy.

import { fileURLToPath } from 'node:url';
import type { Children } from '../children.ts';
import { versionOf, whyAbsent } from '../programs.ts';
import type { Load, LoadFigures } from './load.ts';

const script = fileURLToPath(new URL('./wrk.lua', import.meta.url));

export function wrk(children: Children): Load {
  return {
    name: 'wrk',
    missing: () => whyAbsent('wrk'),
    version: () => versionOf('wrk', ['-v']),
    async run(origin, { method, requestBodyBytes, responseBodyBytes, connections }, seconds) {
      const child = children.start('wrk', [
        ...['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', '5s', '-s', script],
        ...[`${origin}/${responseBodyBytes}`, '--', method, String(requestBodyBytes)],
      ]);
      await child.ended;
      const line = /^figures (.*)$/m.exec(child.output());
      if (line === null) throw new Error(`wrk reported nothing: ${child.output()}`);
      return JSON.parse(line[1]) as LoadFigures;
    },
  };
}
