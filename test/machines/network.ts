// Machines as network namespaces: each has its own loopback, its own address on a wire that all share, and a folder as its disk. All
// of it is gone when the namespaces are.
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mesh, type Outcome, Running } from '../cli/mesh.ts';

export interface Machine {
  readonly address: string;
  /** Its working folder. */
  readonly dir: string;
  /** `mesh ...` as one types it there, to its end. */
  types(line: string): Promise<Outcome>;
  /** `mesh ...` that runs until it is stopped. */
  starts(line: string): Running;
  /** What a URL answers there, or the reason why nothing does; the different ones of so many calls. */
  gets(url: string, times?: number, method?: 'GET' | 'POST'): Promise<string>;
  /** The wire is cut, or whole again. */
  link(state: 'up' | 'down'): Promise<void>;
}

export interface Network {
  readonly machines: readonly Machine[];
  remove(): Promise<void>;
}

const run = promisify(execFile);
const PATIENCE_MS = 5_000;

/** Why there can be none here, or ''. */
export async function whyNoNetwork(): Promise<string> {
  const name = `weft-${process.pid}-try`;
  try {
    await run('ip', ['netns', 'add', name]);
    await run('ip', ['-n', name, 'link', 'add', 'wire', 'type', 'bridge']);
    await run('ip', ['netns', 'exec', name, 'true']);
    return '';
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    return `network namespaces cannot be made here: ${(stderr || message).trim().split('\n')[0]}`;
  } finally {
    await run('ip', ['netns', 'del', name]).catch(() => null);
  }
}

/** One for each address, which are of a /24. Whoever makes it calls `remove`. */
export async function makeNetwork(addresses: readonly string[]): Promise<Network> {
  const dir = await mkdtemp(join(tmpdir(), 'weft-machines-'));
  const made: string[] = [];
  const remove = async (): Promise<void> => {
    for (const name of made) await run('ip', ['netns', 'del', name]);
    await rm(dir, { recursive: true, force: true });
  };
  const add = async (name: string): Promise<string> => {
    await run('ip', ['netns', 'add', name]);
    made.push(name);
    await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
    return name;
  };
  try {
    const wire = await add(`weft-${process.pid}-wire`);
    await run('ip', ['-n', wire, 'link', 'add', 'wire', 'type', 'bridge']);
    await run('ip', ['-n', wire, 'link', 'set', 'wire', 'up']);
    const machines: Machine[] = [];
    for (const [n, address] of addresses.entries()) {
      const name = await add(`weft-${process.pid}-${n}`);
      const port = `port${n}`;
      await run('ip', ['-n', wire, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name]);
      await run('ip', ['-n', wire, 'link', 'set', port, 'master', 'wire', 'up']);
      await run('ip', ['-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0']);
      await run('ip', ['-n', name, 'link', 'set', 'eth0', 'up']);
      const link = (state: 'up' | 'down') => run('ip', ['-n', wire, 'link', 'set', port, state]);
      machines.push(machine({ name, address, dir: join(dir, `${n}`), link }));
    }
    return { machines, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

interface Made {
  readonly name: string;
  readonly address: string;
  readonly dir: string;
  link(state: 'up' | 'down'): Promise<unknown>;
}

function machine({ name, address, dir, link }: Made): Machine {
  const within = ['ip', 'netns', 'exec', name];
  const options = { within, cwd: dir, home: join(dir, 'home') };
  return {
    address,
    dir,
    types: (line) => mesh(argumentsOf(line), options),
    starts: (line) => new Running(argumentsOf(line), options),
    gets: (url, times = 1, method = 'GET') => curl(within, { url, times, method }),
    link: async (state) => void (await link(state)),
  };
}

function argumentsOf(line: string): string[] {
  const [program, ...args] = line.trim().split(/ +/);
  if (program !== 'mesh') throw new Error(`that is no line for mesh: ${line}`);
  return args;
}

interface Calls {
  readonly url: string;
  readonly times: number;
  readonly method: string;
}

/** Not by this process's own sockets, which are of another network. */
function curl(within: readonly string[], { url, times, method }: Calls): Promise<string> {
  const script = `
    const call = () => fetch(${JSON.stringify(url)}, { method: '${method}', signal: AbortSignal.timeout(${PATIENCE_MS}) }).then(
      async (answer) => answer.status + ' ' + (await answer.text()).trim(),
      (error) => error.cause?.code ?? error.name,
    );
    const seen = new Set();
    for (let n = 0; n < ${times}; n++) seen.add(await call());
    console.log([...seen].sort().join(', '));`;
  const [program, ...words] = [...within, process.execPath, '--input-type=module', '-e', script];
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(out.trim()));
  });
}
