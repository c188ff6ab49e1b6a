// The fixtures of a folder: tests/*.yaml, decoded, with all that is wrong with them.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';

import { readFixture, type TestCase } from './fixture.ts';
import type { Problem } from './placed.ts';

const MOST_BYTES = 4 * 1024 * 1024;
const MOST_FILES = 1000;

export interface Fixtures {
  readonly tests: readonly TestCase[];
  readonly problems: readonly Problem[];
}

/** `shown`: what places of files are relative to. An empty list of tests without problems: there is no such file. */
export async function readFixtures(folder: string, shown: string): Promise<Fixtures> {
  const problems: Problem[] = [];
  const tests: TestCase[] = [];
  for (const file of await yamlFiles(join(folder, 'tests'))) {
    const name = relative(shown, file) || file;
    const { size } = await stat(file);
    if (size > MOST_BYTES)
      problems.push({ file: name, line: 1, column: 1, message: `larger than ${MOST_BYTES} bytes` });
    else tests.push(...readFixture(name, await readFile(file, 'utf8'), problems));
  }
  return { tests, problems };
}

async function yamlFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return entries
    .filter((entry) => !entry.isDirectory() && /\.ya?ml$/.test(entry.name))
    .map((entry) => join(folder, entry.name))
    .sort()
    .slice(0, MOST_FILES);
}
