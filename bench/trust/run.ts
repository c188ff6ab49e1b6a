// node bench/trust/run.ts: what identities cost: certificates signed in a second, memory of a connection, a rotation of the root.
//
//   node bench/trust/run.ts [--proxies 200] [--connections 1000] [--seconds 3] [--json FILE]
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Children } from '../children.ts';
import { canMeasure, measured, runCommand } from '../command.ts';
import { machine } from '../machine.ts';
import { MeasuredMesh } from '../scale/mesh.ts';
import { measureMemory } from './memory.ts';
import { measureRotation } from './rotation.ts';
import { measureSigning } from './signing.ts';

const USAGE = `node bench/trust/run.ts [--proxies 200] [--connections 1000] [--seconds 3] [--json FILE]
Certificates signed in a second, memory of an idle connection with and without mutual TLS, and a rotation of the root: about a minute.`;
const STRING = { type: 'string' } as const;

interface Command {
  readonly proxies: number;
  readonly connections: number;
  readonly seconds: number;
  readonly json: string | undefined;
}

function parse(args: readonly string[]): Command | string {
  let values: { proxies?: string; connections?: string; seconds?: string; json?: string };
  try {
    const options = { proxies: STRING, connections: STRING, seconds: STRING, json: STRING };
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    return (error as Error).message;
  }
  const { proxies = '200', connections = '1000', seconds = '3', json } = values;
  const numbers = { proxies: Number(proxies), connections: Number(connections), seconds: Number(seconds) };
  const most = { proxies: 4_000, connections: 10_000, seconds: 600 };
  for (const name of ['proxies', 'connections', 'seconds'] as const) {
    const value = numbers[name];
    if (!Number.isInteger(value) || value < 1 || value > most[name])
      return `--${name} is a whole number from 1 to ${most[name]}`;
  }
  return { ...numbers, json };
}

async function run({ proxies, connections, seconds, json }: Command): Promise<number> {
  if (!canMeasure()) return 1;
  const folder = mkdtempSync(join(tmpdir(), 'weft-trust-'));
  const children = new Children();
  const say = (line: string) => console.error(line);
  return measured(children, folder, async () => {
    const signing = await measureSigning(folder, seconds);
    say(`${signing.certificatesPerSecond.toFixed(0)} certificates/s`);
    const gateway = join(folder, 'gateway');
    mkdirSync(gateway);
    const memory = await measureMemory(children, gateway, connections);
    say(`an idle connection: ${memory.plainKiB.toFixed(1)} KiB plain, ${memory.tlsKiB.toFixed(1)} KiB in mutual TLS`);
    const mesh = await MeasuredMesh.start(children, join(folder, 'mesh'));
    try {
      const rotation = await measureRotation(mesh, proxies, say);
      const figures = { machine: machine(), signing, memory, rotation };
      console.log(JSON.stringify(figures, null, 2));
      if (json !== undefined) writeFileSync(json, `${JSON.stringify(figures, null, 2)}\n`);
    } finally {
      await mesh.stop();
      await children.end(mesh.up, 10_000);
    }
    return 0;
  });
}

await runCommand(USAGE, parse, run);
