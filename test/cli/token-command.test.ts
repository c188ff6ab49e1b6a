import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { TokenCommand } from '../../cli/token-command.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-token-command-'));
after(() => rmSync(folder, { recursive: true }));

test('a command prints the token, alone or as plugins of kubectl do, and is run once for what follows at once', async () => {
  const runs = join(folder, 'runs');
  const command = new TokenCommand(`echo x >> ${runs}; echo ' a.b.c '`);
  assert.deepEqual([await command.token(), await command.token()], ['a.b.c', 'a.b.c']);
  assert.equal(readFileSync(runs, 'utf8'), 'x\n');
  const credential = {
    kind: 'ExecCredential',
    status: { token: 'd.e.f', expirationTimestamp: '2031-01-01T00:00:00Z' },
  };
  assert.equal(await new TokenCommand(`echo '${JSON.stringify(credential)}'`).token(), 'd.e.f');
});

test('one that fails or prints something else is one line, which does not tell what it printed', async () => {
  for (const [command, why] of [
    ['exit 3', /ended with 3$/],
    ['kill $$', /was ended by SIGTERM/],
    ['true', /printed none: one word, or an ExecCredential with status\.token$/],
    ['echo two words', /printed none/],
    [`echo '{"status":{}}'`, /printed none/],
    [`echo '{"status":'`, /printed none/],
    ['head -c 100000 /dev/zero', /prints more than 65536 bytes$/],
  ] as const) {
    await assert.rejects(new TokenCommand(command).token(), { exitCode: 1, message: why }, command);
  }
  // It is run again.
  const flag = join(folder, 'flag');
  const command = new TokenCommand(`test -e ${flag} && echo good || { touch ${flag}; exit 1; }`);
  await assert.rejects(command.token());
  assert.equal(await command.token(), 'good');
});
