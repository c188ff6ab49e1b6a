// The secrets of a backup: they are opened by their passphrase, whole, or not at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seal, unseal } from '../../cli/backup-file.ts';

test('sealed secrets are opened by their passphrase, and not when a part of them is another one', async () => {
  const files = { 'ca-key.pem': 'a key' };
  const sealed = await seal(files, 'correct horse');
  assert.deepEqual(await unseal(sealed, 'correct horse'), files);
  const short = Buffer.from(sealed.tag, 'base64').subarray(0, 4).toString('base64');
  await assert.rejects(unseal({ ...sealed, tag: short }, 'correct horse'), /the secrets cannot be opened/);
  await assert.rejects(unseal(sealed, 'battery'), /the secrets cannot be opened/);
});
