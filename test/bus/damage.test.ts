import assert from 'node:assert/strict';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { applyCommit, EMPTY_STATE } from '../../bus/log/commit-format.ts';
import { until } from '../until.ts';
import { resources, startMesh } from './harness.ts';

const COMMITS = 5;

suite('a log whose file is damaged', () => {
  for (const [where, damage] of [
    ['in the middle', (bytes: Buffer) => flip(bytes, bytes.length / 2)],
    ['at its newest commit', (bytes: Buffer) => flip(bytes, bytes.length - 150)],
    ['by a cut', null],
  ] as const) {
    test(`${where} is told of, and restored`, async (t) => {
      const mesh = await startMesh();
      t.after(() => mesh.stop());
      const control = await mesh.open('control');
      for (let parent = 0; parent < COMMITS; parent++) {
        const upserts = resources(1, 'x'.repeat(300), `old${parent}-`);
        await control.config.commit({ parent, author: '', message: '', upserts, removals: [] });
      }
      const before = await control.config.load();
      await mesh.crash(async (data) => {
        const names = await readdir(data, { recursive: true });
        const block = join(data, names.find((name) => name.includes('WEFT_CONFIG') && name.endsWith('1.blk'))!);
        const bytes = await readFile(block);
        if (damage === null) await truncate(block, bytes.length - 100);
        else await writeFile(block, damage(bytes));
      });
      await until('NATS is back', () => control.connected);
      let why: string | null = null;
      let state = EMPTY_STATE;
      const reader = await mesh.open('proxy');
      const following = reader.config.follow(null, {
        commit: (commit) => {
          state = applyCommit(state, commit);
        },
        state: (whole) => {
          state = whole;
        },
        damaged: (reason) => {
          why = reason;
        },
      });
      // A newer server drops what is damaged and what follows: then the log can be read, and lacks what was there.
      let reads = false;
      void following.then(() => {
        reads = true;
      });
      await until('it is told of, or read', () => why !== null || reads);
      if (reads) {
        assert.ok(state.revision < COMMITS);
        assert.equal(await control.config.compare(before), 'other');
      } else assert.match(why ?? '', /no longer reaches back to revision \d/);
      const whole = [...before.resources].map(([key, body]) => ({ key, body }));
      await control.config.restore({ author: '', message: '', resources: whole, at: before });
      await until('it is followed', () => why === null && state.epoch > 0);
      assert.deepEqual(state.resources, before.resources);
      assert.deepEqual((await control.config.load()).resources, before.resources);
      assert.equal(await control.config.compare(before), 'restored');
      assert.equal((await control.config.history(10))[0].upserts.length, COMMITS);
      const { revision: parent } = state;
      await control.config.commit({
        parent,
        author: '',
        message: '',
        upserts: resources(1, 'new', 'new'),
        removals: [],
      });
      await until('it goes on', () => state.revision === parent + 1);
      assert.deepEqual((await control.config.load()).resources, state.resources);
    });
  }
});

function flip(bytes: Buffer, from: number): Buffer {
  for (let i = 0; i < 8; i++) bytes[Math.floor(from) + i] ^= 0xff;
  return bytes;
}
