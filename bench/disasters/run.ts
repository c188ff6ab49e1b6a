// What NATS and the control plane may do to a mesh under load: how many requests failed, how long no change was possible, and
// what was lost.
//
//   node bench/disasters/run.ts [--only WORD]
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { tellUsage } from '../../scripts/usage.ts';
import { Children } from '../children.ts';
import { type Disaster, disasters, smallDisk } from './disasters.ts';
import { DisasterMesh } from './mesh.ts';
import { type Counted, SteadyLoad } from './steady-load.ts';

export interface Endured extends Counted {
  readonly name: string;
  readonly mended: string;
  /** From the end of the disaster, or of its mending, to the first answer that shows a new change, in seconds. */
  readonly changesAfterS: number;
  /** Whether all that was acknowledged before is there afterwards. */
  readonly whole: boolean;
}

const CALM_MS = 1_000;
const PATIENCE_MS = 90_000;

/** Each on a mesh of its own. */
export async function endure(disaster: Disaster, say: (line: string) => void): Promise<Endured> {
  const home = mkdtempSync(join(tmpdir(), 'weft-disaster-'));
  const children = new Children();
  let takeAway = (): void => {};
  let load: SteadyLoad | null = null;
  try {
    mkdirSync(join(home, 'nats'), { mode: 0o700 });
    if (disaster.lacks !== undefined) takeAway = smallDisk(home);
    const mesh = new DisasterMesh(home, children);
    await mesh.start();
    load = new SteadyLoad(mesh.port);
    await served(load, await mesh.change());
    load.count();
    const before = await mesh.configuration();
    await delay(CALM_MS);
    await disaster.happen(mesh);
    const mended = await disaster.mend(mesh);
    const over = performance.now();
    const after = await again(() => mesh.configuration());
    await served(load, await mesh.changeAgain());
    const changesAfterS = (performance.now() - over) / 1_000;
    await delay(CALM_MS);
    const counted = load.count();
    say(
      `${disaster.name}: ${counted.failed} of ${counted.requests} requests failed, a change after ${changesAfterS.toFixed(1)} s`,
    );
    return { name: disaster.name, mended, changesAfterS, whole: after === before, ...counted };
  } finally {
    await load?.stop();
    await children.stop();
    takeAway();
    rmSync(home, { recursive: true, force: true });
  }
}

async function served(load: SteadyLoad, change: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (load.change !== change) {
    if (performance.now() > deadline)
      throw new Error(`no answer shows change ${change}: ${load.count().reasons.join(', ')}`);
    await delay(10);
  }
}

async function again<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(50);
    }
  }
}

function row({ name, requests, failed, mended, changesAfterS, whole }: Endured): string {
  const cells = [
    name,
    requests,
    failed,
    mended || 'nothing',
    changesAfterS.toFixed(1),
    whole ? 'nothing' : 'something',
  ];
  return `| ${cells.join(' | ')} |`;
}

async function main(): Promise<number> {
  tellUsage('node bench/disasters/run.ts [--only WORD]');
  const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
  const chosen = disasters.filter(({ name }) => name.includes(values.only));
  if (chosen.length === 0) {
    console.error(`no disaster is called so; there are: ${disasters.map(({ name }) => name).join('; ')}`);
    return 2;
  }
  const rows: string[] = [];
  let bad = false;
  for (const disaster of chosen) {
    const why = disaster.lacks?.() ?? null;
    if (why !== null) {
      console.error(`${disaster.name}: not tried, ${why}`);
      continue;
    }
    const endured = await endure(disaster, (line) => console.error(line));
    for (const reason of endured.reasons) console.error(`  ${reason}`);
    if (endured.failed > 0 || !endured.whole) bad = true;
    rows.push(row(endured));
  }
  console.log('| disaster | requests | failed | what was done | change again after s | lost |');
  console.log('| --- | ---: | ---: | --- | ---: | --- |');
  for (const line of rows) console.log(line);
  return bad ? 1 : 0;
}

if (import.meta.main) process.exitCode = await main();
