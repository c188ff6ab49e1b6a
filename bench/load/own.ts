// Load by our own generator, in a process of its own: the open loop, and a closed one that waits for the last answer.

import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Children } from '../children.ts';
import type { Outcome, Task } from './generator.ts';
import type { ClosedLoop, OpenLoop, Traffic } from './load.ts';

const program = fileURLToPath(new URL(`./generator${extname(import.meta.filename)}`, import.meta.url));

export function openLoop(children: Children): OpenLoop {
  return { run: (origin, traffic, perSecond, seconds) => generate(children, origin, traffic, seconds, perSecond) };
}

export function patientLoop(children: Children): ClosedLoop {
  return {
    name: 'own',
    missing: () => null,
    version: () => `node ${process.version}`,
    run: (origin, traffic, seconds) => generate(children, origin, traffic, seconds, null),
  };
}

async function generate(
  children: Children,
  origin: string,
  traffic: Traffic,
  seconds: number,
  perSecond: number | null,
): Promise<Outcome> {
  const { hostname: host, port } = new URL(origin);
  const task: Task = { host, port: Number(port), traffic, seconds, perSecond };
  const child = children.start(process.execPath, [program, JSON.stringify(task)], {}, 16 << 20);
  await child.ended;
  const line = child
    .output()
    .split('\n')
    .findLast((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`the load generator reported nothing: ${child.output()}`);
  return JSON.parse(line) as Outcome;
}
