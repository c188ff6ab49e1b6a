import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosenAuthority } from '../../cli/authority-options.ts';

test('the passphrase of the authority may come from a command, whose failure is one line without what it printed', async () => {
  const from = (command: string) => chosenAuthority({ caPassphraseCommand: command });
  assert.deepEqual(await from('echo correct horse; echo'), { passphrase: 'correct horse' });
  await assert.rejects(from('echo secret; echo no such vault >&2; exit 3'), {
    message: 'the command that prints the passphrase ended with 3: no such vault',
    exitCode: 1,
  });
  await assert.rejects(from('echo short'), {
    message: 'the passphrase that the command prints has 5 characters: at least 12',
    exitCode: 2,
  });
  await assert.rejects(chosenAuthority({ caPassphraseCommand: 'true', caPassphraseFile: 'x' }), /one or the other/);
});
