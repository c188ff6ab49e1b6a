import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { sumOf, threadsOf, usage, usageAlone, usageBelow } from '../../bench/usage.ts';

// Busy for 120 ms of its own thread's time, however long a crowded machine takes to give it that.
const BUSY = 'while (process.threadCpuUsage().user < 120_000); console.log("done"); setInterval(() => {}, 1000)';

test('the time of a process contains that of its threads and of the processes below it', {
  skip: process.platform === 'linux' ? false : 'there is no /proc here',
}, async () => {
  const script = `
    const { spawn } = require('node:child_process');
    const { Worker } = require('node:worker_threads');
    new Worker(${JSON.stringify(BUSY)}, { eval: true });
    const below = spawn(process.execPath, ['-e', ${JSON.stringify(BUSY)}], { stdio: ['ignore', 'inherit', 'inherit'] });
    process.stdin.resume().on('end', () => below.once('exit', () => process.exit()) && below.kill());`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    for (let done = 0; done < 2; ) {
      const [chunk] = await once(child.stdout, 'data');
      done += String(chunk).match(/done/g)?.length ?? 0;
    }
    const all = usage(child.pid!);
    assert.equal(all.processes, 2);
    assert.ok(all.cpuMicros >= 200_000, `${all.cpuMicros} µs for two threads that were busy for 120 ms each`);
    assert.ok(all.rssMiB > 40, `${all.rssMiB} MiB for two Nodes`);
    const parts = [usageAlone(child.pid!), usageBelow(child.pid!)];
    for (const part of parts) {
      assert.equal(part.processes, 1);
      assert.ok(part.cpuMicros >= 100_000 && part.rssMiB > 20, JSON.stringify(part));
    }
    assert.equal(sumOf(parts).processes, 2);
    const busy = [...threadsOf(child.pid!).values()].filter((micros) => micros >= 100_000);
    assert.ok(busy.length >= 2, 'one thread of each process was busy');
  } finally {
    child.stdin.end();
    await once(child, 'exit');
  }
});
