// What can happen to NATS and to the control plane, how it is brought about, and what an operator does about it.
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type DisasterMesh, dataFiles, flipBytes } from './mesh.ts';

export interface Disaster {
  readonly name: string;
  /** Brings it about, and resolves when it has lasted. */
  happen(mesh: DisasterMesh): Promise<void>;
  /** What an operator does; '' = nothing. Returns as soon as it is done. */
  mend(mesh: DisasterMesh): Promise<string>;
  /** Why it cannot be tried on this machine, or null. */
  lacks?(): string | null;
}

/** Of a disk that is too small. */
const DISK = '24m';
const nothing = async (): Promise<string> => '';

export const disasters: readonly Disaster[] = [
  {
    name: 'nats-server is killed',
    async happen(mesh) {
      process.kill(mesh.natsPid(), 'SIGKILL');
    },
    mend: nothing,
  },
  {
    name: 'nats-server is frozen until it is started again',
    async happen(mesh) {
      const pid = mesh.natsPid();
      process.kill(pid, 'SIGSTOP');
      await until(() => mesh.natsPid() !== pid);
    },
    mend: nothing,
  },
  {
    name: 'mesh up and nats-server are killed, and away for ten seconds',
    async happen(mesh) {
      await mesh.killUp();
      await delay(10_000);
    },
    async mend(mesh) {
      await mesh.startUp();
      return '`mesh up`';
    },
  },
  {
    name: 'the data of NATS are gone',
    async happen(mesh) {
      await mesh.killUp();
      rmSync(join(mesh.home, 'nats', 'data'), { recursive: true });
      await mesh.startUp();
      await delay(5_000);
    },
    mend: restore,
  },
  {
    name: 'eight bytes of the log are flipped',
    async happen(mesh) {
      await mesh.killUp();
      for (const file of await dataFiles(mesh.home, '1.blk')) if (file.includes('WEFT_CONFIG')) flipBytes(file);
      await mesh.startUp();
      await delay(5_000);
    },
    mend: restore,
  },
  {
    name: `the disk of NATS (${DISK}) is full for ten seconds`,
    lacks: () => (process.getuid?.() === 0 ? null : 'only root can make a small disk'),
    async happen(mesh) {
      writeFileSync(join(mesh.home, 'nats', 'filler'), '');
      spawnSync('dd', ['if=/dev/zero', `of=${join(mesh.home, 'nats', 'filler')}`, 'bs=64k']);
      await mesh.change().catch(() => '');
      await delay(10_000);
    },
    async mend(mesh) {
      rmSync(join(mesh.home, 'nats', 'filler'));
      return 'make room';
    },
  },
];

/** NATS on a small disk of its own; what it returns takes that away. */
export function smallDisk(home: string): () => void {
  const folder = join(home, 'nats');
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK},mode=700`, 'tmpfs', folder]);
  return () => {
    if (status === 0) spawnSync('umount', ['-l', folder]);
  };
}

async function restore(mesh: DisasterMesh): Promise<string> {
  const state = await mesh.keptState();
  const said = await mesh.run('restore', '--from-proxy', state, '--json');
  if (!/revision/.test(said)) throw new Error(`mesh restore: ${said}`);
  return '`mesh restore --from-proxy`';
}

async function until(is: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!is()) {
    if (performance.now() > deadline) throw new Error('it did not happen within a minute');
    await delay(20);
  }
}
