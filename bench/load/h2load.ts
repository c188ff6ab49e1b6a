// Load in HTTP/2 by nghttp2's h2load: one thread, closed loop, as many streams at a time on each connection as there are to be.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Children } from '../children.ts';
import { find, versionOf } from '../programs.ts';
import type { ClosedFigures, ClosedLoop } from './load.ts';

/** Answers above this size are counted, and the time that they take is as long as it is. */
const LONG_BYTES = 64 << 20;

export function h2load(children: Children): ClosedLoop {
  return {
    name: 'h2load',
    missing: () => (find('h2load') === null ? 'h2load is not on PATH (Debian: apt-get install nghttp2-client)' : null),
    version: () => versionOf('h2load', ['--version']),
    async run(origin, { method, path, requestBodyBytes, responseBodyBytes, connections, headers, streams }, seconds) {
      const folder = mkdtempSync(join(tmpdir(), 'weft-h2load-'));
      const body = join(folder, 'body');
      writeFileSync(body, Buffer.alloc(requestBodyBytes));
      const once = (responseBodyBytes ?? 0) > LONG_BYTES;
      const child = children.start('h2load', [
        ...['-c', String(connections), '-m', String(streams), '-t', '1'],
        ...(once ? ['-n', String(connections)] : ['-D', String(seconds)]),
        ...(method === 'POST' ? ['-d', body] : []),
        ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
        `${origin}${path}`,
      ]);
      await child.ended;
      rmSync(folder, { recursive: true });
      return figuresIn(child.output());
    },
  };
}

/** Of its report. */
export function figuresIn(said: string): ClosedFigures {
  const finished = /^finished in ([\d.]+)(us|ms|s|m)\b/m.exec(said);
  const counted = /^requests: .*?(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/m.exec(said);
  if (finished === null || counted === null) throw new Error(`h2load reported nothing: ${said}`);
  const unit = { us: 1e-6, ms: 1e-3, s: 1, m: 60 }[finished[2]]!;
  return { requests: Number(counted[1]), seconds: Number(finished[1]) * unit, errors: Number(counted[2]) };
}
