import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Header } from 'tar';
import { unpack } from '../../plugins/source/tarball.ts';
import { StepFailed } from '../../plugins/step.ts';

function entry(path: string, body: Buffer, type: 'File' | 'SymbolicLink' | 'Link' = 'File', linkpath?: string): Buffer {
  const header = Buffer.alloc(512);
  new Header({ path, type, size: body.length, mode: 0o644, linkpath }).encode(header);
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

const tarball = (...entries: readonly Buffer[]): Buffer => gzipSync(Buffer.concat([...entries, Buffer.alloc(1024)]));

suite('tarballs of packages', () => {
  test('files are found below the one folder, whatever it is called', async () => {
    const files = await unpack(
      tarball(entry('thing/a.txt', Buffer.from('a')), entry('thing/b/c.txt', Buffer.from('c'))),
      'x',
    );
    assert.deepEqual(
      [...files].map(([path, bytes]) => [path, Buffer.from(bytes).toString()]),
      [
        ['a.txt', 'a'],
        ['b/c.txt', 'c'],
      ],
    );
  });

  test('links lead nowhere: they are no files', async () => {
    const files = await unpack(
      tarball(
        entry('package/link', Buffer.alloc(0), 'SymbolicLink', '/etc/passwd'),
        entry('package/hard', Buffer.alloc(0), 'Link', '../../etc/passwd'),
      ),
      'x',
    );
    assert.equal(files.size, 0);
  });

  const refusals: readonly (readonly [string, Buffer, RegExp])[] = [
    ['a path that leaves it', tarball(entry('package/../../evil', Buffer.from('x'))), /a path that leaves it$/],
    ['an absolute path', tarball(entry('/etc/evil', Buffer.from('x'))), /a path that leaves it$/],
    ['a path of another system', tarball(entry('package\\..\\evil', Buffer.from('x'))), /a path that leaves it$/],
    ['something that is no tarball', Buffer.from('hello'), /is no tarball/],
    ['one that was cut off', tarball(entry('package/a', Buffer.alloc(5000, 'abc'))).subarray(0, 60), /is no tarball/],
    ['one that unpacks to more than anybody wants', bomb(), /unpacks to more than 96 MiB$|is no tarball/],
  ];
  for (const [what, bytes, reason] of refusals) {
    test(`${what} is refused in one line`, async () => {
      await assert.rejects(
        unpack(bytes, 'x.tgz'),
        (error) => error instanceof StepFailed && reason.test(error.message),
      );
    });
  }
});

/** 300 MB in 300 KB. */
function bomb(): Buffer {
  const body = Buffer.alloc(10_000_000);
  return tarball(...Array.from({ length: 30 }, (_, i) => entry(`package/${i}`, body)));
}
