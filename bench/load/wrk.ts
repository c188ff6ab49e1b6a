// Load by Debian's wrk: one thread, closed loop.

import { fileURLToPath } from 'node:url';
import type { Children } from '../children.ts';
import { versionOf, whyAbsent } from '../programs.ts';
import type { ClosedFigures, ClosedLoop, Traffic } from './load.ts';

const script = fileURLToPath(new URL('./wrk.lua', import.meta.url));

export function wrk(children: Children): ClosedLoop {
  return {
    name: 'wrk',
    missing: () => whyAbsent('wrk'),
    version: () => versionOf('wrk', ['-v']),
    async run(origin, traffic, seconds) {
      const child = children.start('wrk', wrkArguments(origin, traffic, seconds));
      await child.ended;
      const line = /^figures (.*)$/m.exec(child.output());
      if (line === null) throw new Error(`wrk reported nothing: ${child.output()}`);
      return JSON.parse(line[1]) as ClosedFigures;
    },
  };
}

export function wrkArguments(origin: string, traffic: Traffic, seconds: number): readonly string[] {
  const { method, path, requestBodyBytes, connections, headers, fresh } = traffic;
  const fields = Object.entries({ ...headers, ...(fresh ? { connection: 'close' } : {}) });
  return [
    ...['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', '10s', '-s', script],
    // It adds a Host of its own to one that is written in another way.
    ...fields.flatMap(([name, value]) => ['-H', `${name.toLowerCase() === 'host' ? 'Host' : name}: ${value}`]),
    ...[`${origin}${path}`, '--', method, String(requestBodyBytes)],
  ];
}
