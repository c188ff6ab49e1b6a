// The tables of what is right, of Istio, Envoy and the RFCs, as tests: runs them and prints how many cases of each are as they
// should be. `node scripts/tables.ts`, and a step of `npm run check`.
import { glob } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from 'node:test';
import { tellUsage } from './usage.ts';

tellUsage('node scripts/tables.ts: how many cases of the tables of Istio, Envoy and the RFCs are as they should be');
const ROOT = dirname(import.meta.dirname);

const TABLES: readonly (readonly [name: string, files: string])[] = [
  ["Istio's validation of what is taken and refused", 'test/core/config/istio-*.test.ts'],
  ['policies that could never match', 'test/core/config/policies.test.ts'],
  ['bad configuration, word for word', 'test/core/config/refusals.test.ts'],
  ['what every field of every kind is read by or told of', 'test/core/config/enforced.test.ts'],
  ['what changes with every enforced field of every kind', 'test/core/config/effects/effects.test.ts'],
  ['authorization, as Istio decides it', 'test/filters/rbac*.test.ts'],
  ['RFC 9110, 9111 and 9112 for intermediaries', 'test/path/rfc/*.test.ts'],
  ['routing and what routes do to messages', 'test/path/{routing,answers,route-*,claims,targets}.test.ts'],
  ['functions and properties of the filter ABI', 'test/core/wasm/abi/*.test.ts'],
];

let failed = 0;
for (const [name, pattern] of TABLES) {
  const files: string[] = [];
  for await (const file of glob(pattern, { cwd: ROOT })) files.push(join(ROOT, file));
  const counts = await count(files);
  failed += counts.failed;
  process.stdout.write(`${name}: ${counts.passed} of ${counts.passed + counts.failed} cases\n`);
}
process.exitCode = failed === 0 ? 0 : 1;

/** Cases, not the suites around them. */
async function count(files: readonly string[]): Promise<{ passed: number; failed: number }> {
  const counts = { passed: 0, failed: 0 };
  if (files.length === 0) throw new Error('a table has no file');
  for await (const { type, data } of run({ files: [...files], cwd: ROOT, concurrency: true })) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details.type === 'suite' || files.includes(data.name)) continue;
    if (type === 'test:pass') counts.passed++;
    else {
      counts.failed++;
      process.stdout.write(`  not so: ${data.name}\n`);
    }
  }
  return counts;
}
