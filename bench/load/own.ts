// Load by our own generator, in a process of its own: the open loop, and a closed one that waits for the last answer.

import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Children } from '../children.ts';
import type { Outcome, Task } from './generator.ts';
import type { ClosedLoop, OpenLoop, Traffic } from './load.ts';

const program = programIn('generator');
const exchanges = programIn('exchange-generator');

function programIn(name: string): string {
  return fileURLToPath(new URL(`./${name}${extname(import.meta.filename)}`, import.meta.url));
}

export function openLoop(children: Children): OpenLoop {
  return {
    run: (origin, traffic, perSecond, seconds) => generate(children, program, origin, traffic, seconds, perSecond),
  };
}

export function patientLoop(children: Children): ClosedLoop {
  return {
    name: 'own',
    missing: () => null,
    version: () => `node ${process.version}`,
    run: (origin, traffic, seconds) => generate(children, program, origin, traffic, seconds, null),
  };
}

/** Messages there and back over connections and streams that stay. */
export function messageLoop(children: Children): ClosedLoop {
  return { ...patientLoop(children), ...exchangeLoop(children), name: 'messages' };
}

/** Handshakes of TLS, each on a connection of its own. */
export function handshakeLoop(children: Children): ClosedLoop {
  return { ...patientLoop(children), ...exchangeLoop(children), name: 'handshakes' };
}

function exchangeLoop(children: Children): Pick<ClosedLoop, 'run'> {
  return { run: (origin, traffic, seconds) => generate(children, exchanges, origin, traffic, seconds, null) };
}

async function generate(
  children: Children,
  file: string,
  origin: string,
  traffic: Traffic,
  seconds: number,
  perSecond: number | null,
): Promise<Outcome> {
  const { hostname: host, port } = new URL(origin);
  const task: Task = { host, port: Number(port), traffic, seconds, perSecond };
  const child = children.start(process.execPath, [file, JSON.stringify(task)], {}, 16 << 20);
  await child.ended;
  const line = child
    .output()
    .split('\n')
    .findLast((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`the load generator reported nothing: ${child.output()}`);
  return JSON.parse(line) as Outcome;
}
