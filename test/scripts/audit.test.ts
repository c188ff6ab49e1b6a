// CI's look at advisories: red when the registry knows one, and only then.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const AUDIT = fileURLToPath(new URL('../../.ci/audit', import.meta.url));

for (const [what, answer, code, status, said] of [
  ['no advisory', '{ "auditReportVersion": 2, "vulnerabilities": {} }', 0, 0, /^$/],
  [
    'an advisory',
    '{ "auditReportVersion": 2, "vulnerabilities": { "a": {} } }',
    1,
    1,
    /"a"[\s\S]*there are advisories/,
  ],
  [
    '405',
    '{ "message": "405 Method Not Allowed", "error": {} }',
    1,
    0,
    /^npm audit: the registry answers no audits, .*\n$/,
  ],
  ['nothing', '', 1, 0, /^npm audit: the registry answers no audits, .*\n$/],
] as const) {
  test(`a registry that answers ${what} ends CI's audit with ${status}`, async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'weft-audit-'));
    t.after(() => rm(dir, { recursive: true, force: true }));
    await writeFile(join(dir, 'npm'), `#!/bin/sh\necho '${answer}'\nexit ${code}\n`);
    await chmod(join(dir, 'npm'), 0o755);
    const env = { ...process.env, PATH: `${dir}${delimiter}${process.env.PATH}` };
    const ran = spawnSync(AUDIT, { env, encoding: 'utf8' });
    assert.equal(ran.status, status);
    assert.match(ran.stdout + ran.stderr, said);
  });
}
