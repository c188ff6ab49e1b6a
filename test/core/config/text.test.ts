import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProblem } from '../../../core/config/decode.ts';
import { parseDocuments } from '../../../core/config/documents.ts';
import { decodeText } from '../../../core/config/text.ts';

const TEXT = 'kind: Grüße\nname: 日本\n';

function said(bytes: Uint8Array): string {
  const decoded = decodeText(bytes, 'a.yaml');
  return 'text' in decoded ? decoded.text : formatProblem(decoded.problem);
}

const little = (text: string): Buffer => Buffer.from(text, 'utf16le');

test('text is read in UTF-8 and in UTF-16 of both orders, with and without a mark', () => {
  for (const mark of ['', '\ufeff']) {
    assert.equal(said(Buffer.from(mark + TEXT)), TEXT);
    assert.equal(said(little(mark + TEXT)), TEXT);
    assert.equal(said(little(mark + TEXT).swap16()), TEXT);
  }
  assert.equal(said(Buffer.alloc(0)), '');
  assert.equal(said(Buffer.from('a')), 'a');
  assert.equal(said(Buffer.from('\ufffd')), '\ufffd');
});

test('what is neither is told in one line with what to do', () => {
  assert.equal(
    said(Buffer.from('a: 1\nb: \xfc\n', 'latin1')),
    'a.yaml:2:4: error: a byte that is not UTF-8: save it as UTF-8',
  );
  assert.match(said(Buffer.from([0xff, 0xfe, 0x41])), /begins as text in UTF-16 and is none/);
  assert.match(said(Buffer.from([0xff, 0xfe, 0, 0, 0x41, 0, 0, 0])), /not UTF-8/);
  assert.match(said(Buffer.from([0x1f, 0x8b, 8, 0])), /not UTF-8/);
});

test('a text with NUL characters, from a client that read it wrongly, is told once', () => {
  for (const text of [Buffer.from(little(TEXT)).toString(), '\0asm', 'a: 1\nb: "\0"\n']) {
    const { problems } = parseDocuments(text, 'a.yaml');
    assert.equal(problems.length, 1);
    assert.match(formatProblem(problems[0]), /^a\.yaml:\d:\d: error: a NUL character/);
  }
});
