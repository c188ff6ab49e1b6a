// The parser of heads: offsets, where it stops, and the grammar of start lines and fields to the byte.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headParser, INCOMPLETE, MALFORMED, NOT_HTTP, TOO_MANY } from '../../../core/http1/head-parser.ts';

interface Parsed {
  readonly end: number;
  readonly line: string;
  readonly fields: [string, string][];
}

function parse(kind: 'request' | 'response', text: string, maxFields = 100, before = ''): Parsed {
  const bytes = Buffer.from(before + text, 'latin1');
  const end = headParser[kind](bytes, before.length, bytes.length, maxFields);
  if (end <= 0) return { end, line: '', fields: [] };
  const fields: [string, string][] = [];
  for (let i = 0; i < headParser.count; i++) {
    const [name, nameLength, value, valueLength] = headParser.fields.subarray(i * 4, i * 4 + 4);
    fields.push([bytes.latin1Slice(name, name + nameLength), bytes.latin1Slice(value, value + valueLength)]);
  }
  const { method, targetStart, targetLength, minor, status } = headParser;
  const target = bytes.latin1Slice(targetStart, targetStart + targetLength);
  return { end: end - before.length, line: `${kind === 'request' ? `${method} ${target}` : status} ${minor}`, fields };
}

test('offsets are into the bytes given, wherever the head begins, and what follows it is not looked at', () => {
  const head = "POST /a?b HTTP/1.1\r\nHost: x\r\nEmpty:\r\nBlank: \t \r\nA:\t b c \t\r\n!#$%&'*+-.^_`|~0: \xff\r\n\r\n";
  for (const before of ['', 'earlier bytes']) {
    assert.deepEqual(parse('request', `${head}\0\n`, 100, before), {
      end: head.length,
      line: 'POST /a?b 1',
      fields: [
        ['Host', 'x'],
        ['Empty', ''],
        ['Blank', ''],
        ['A', 'b c'],
        ["!#$%&'*+-.^_`|~0", '\xff'],
      ],
    });
  }
});

test('a head that is cut anywhere is incomplete, and never malformed', () => {
  for (const [kind, head] of [
    ['request', 'M-SEARCH * HTTP/1.0\r\nHost: x\r\nA:\t b \r\n\r\n'],
    ['response', 'HTTP/1.1 200 O\xfc K\r\nA:b\r\n\r\n'],
    ['response', 'HTTP/1.0 404\r\n\r\n'],
  ] as const) {
    for (let length = 0; length < head.length; length++) {
      assert.equal(parse(kind, head.slice(0, length)).end, INCOMPLETE, head.slice(0, length));
    }
    assert.equal(parse(kind, head).end, head.length);
  }
});

test('bytes behind the end that is given are not read, although they are there', () => {
  const bytes = Buffer.from('GET / HTTP/1.1\r\n\r\n');
  for (let end = 0; end < bytes.length; end++) assert.equal(headParser.request(bytes, 0, end, 100), INCOMPLETE);
});

test('what begins as other protocols do is no HTTP, and a slip in a request is malformed', () => {
  for (const text of ['\x16', '\0', '\x80', '*1\r', 'PING\r', 'PING\n', 'GET\r']) {
    assert.equal(parse('request', text).end, NOT_HTTP, JSON.stringify(text));
  }
  for (const text of [' GET', 'GET\t', 'a:', 'GET /\r']) {
    assert.equal(parse('request', text).end, MALFORMED, JSON.stringify(text));
  }
});

test('nonsense is malformed at its first wrong byte', () => {
  for (const text of [
    ' ',
    'GET\t',
    'GET  ',
    'GET /\r',
    'GET /\x7f HTTP/1.1\r\nA',
    'GET / H2',
    'GET / HTTP/1.2',
    'GET / HTTP/1.1 ',
    'GET / HTTP/1.1\n',
    'GET / HTTP/1.1\r\r',
    'GET / HTTP/1.1\r\n ',
    'GET / HTTP/1.1\r\n:',
    'GET / HTTP/1.1\r\nA ',
    'GET / HTTP/1.1\r\nA: b\0',
    'GET / HTTP/1.1\r\nA: b\n',
    'GET / HTTP/1.1\r\nA: b\rc',
    'GET / HTTP/1.1\r\nA: b\r\n\tc',
    'GET / HTTP/1.1\r\nA: b\r\n\rc',
  ]) {
    const { end } = parse('request', text);
    assert.equal(Math.min(end, 0), text.includes('\x7f') ? INCOMPLETE : MALFORMED, JSON.stringify(text));
  }
  for (const text of [
    'http',
    'HTTP/1.1\r',
    'HTTP/1.1  ',
    'HTTP/1.1 2x',
    'HTTP/1.1 2000',
    'HTTP/1.1 200\t',
    'HTTP/1.1 200 \0',
    'HTTP/1.1 200 OK\n',
  ]) {
    assert.equal(parse('response', text).end, MALFORMED, JSON.stringify(text));
  }
});

test('any token is a method, in its own case, and the usual ones are always the same string', () => {
  for (const method of ['GET', 'PATCH', 'FOO', 'VERSION-CONTROL', 'get', 'G', 'PRI', "!#$%&'*+-.^_`|~"]) {
    assert.equal(parse('request', `${method} / HTTP/1.1\r\n\r\n`).line, `${method} / 1`);
  }
});

test('one field more than allowed is found before the rest is read', () => {
  const many = `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(200)}`;
  assert.equal(parse('request', many, 150).end, TOO_MANY);
  assert.equal(parse('request', `${many}\r\n`, 200).fields.length, 200);
});

test('a head of any size is parsed whole', () => {
  const head = `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(1000)}Long: ${'x'.repeat(300_000)}\r\n\r\n`;
  assert.equal(parse('response', head, 2000).end, head.length);
  assert.equal(parse('response', 'HTTP/1.1 200 OK\r\n\r\n').end, 19);
});
