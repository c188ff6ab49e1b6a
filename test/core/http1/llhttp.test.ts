// The WASM parser that undici ships: what it imports, exports and reports.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import {
  CALLBACKS,
  INCOMPLETE,
  llhttpBinary,
  MALFORMED,
  METHODS,
  requestParser,
  responseParser,
  TOO_MANY,
} from '../../../core/http1/llhttp.ts';

test('the WASM file of undici asks for these callbacks and no others', () => {
  const module = new WebAssembly.Module(llhttpBinary());
  const imports = WebAssembly.Module.imports(module);
  assert.deepEqual(imports.map(({ name }) => name).sort(), [...CALLBACKS].sort());
  for (const { module: from, kind } of imports) assert.deepEqual([from, kind], ['env', 'function']);
});

test('the WASM file of undici exports what the parser calls, and nothing that would make it lenient by itself', () => {
  const module = new WebAssembly.Module(llhttpBinary());
  const exports = new Map(WebAssembly.Module.exports(module).map(({ name, kind }) => [name, kind]));
  assert.equal(exports.get('memory'), 'memory');
  for (const name of [
    '_initialize',
    'malloc',
    'free',
    'llhttp_alloc',
    'llhttp_reset',
    'llhttp_execute',
    'llhttp_get_error_pos',
    'llhttp_get_method',
  ]) {
    assert.equal(exports.get(name), 'function', name);
  }
});

test('the numbers of methods are those of this llhttp', () => {
  const constants = createRequire(import.meta.url)('undici/lib/llhttp/constants.js') as {
    METHODS: Record<string, number>;
  };
  const notHttp = /^(SOURCE|PRI|DESCRIBE|ANNOUNCE|SETUP|PLAY|PAUSE|TEARDOWN|[GS]ET_PARAMETER|REDIRECT|RECORD|FLUSH)$/;
  for (const [name, number] of Object.entries(constants.METHODS)) {
    assert.equal(METHODS[number], notHttp.test(name) ? '' : name);
  }
  assert.equal(METHODS.length, Object.keys(constants.METHODS).length);
});

function parse(
  text: string,
  maxFields = 100,
  before = '',
): { end: number; fields: [string, string][]; target: string } {
  const bytes = Buffer.from(before + text, 'latin1');
  const end = requestParser.parse(bytes, before.length, bytes.length, maxFields);
  const fields: [string, string][] = [];
  for (let i = 0; i < requestParser.count; i++) {
    const [name, nameLength, value, valueLength] = requestParser.fields.subarray(i * 4, i * 4 + 4);
    fields.push([bytes.latin1Slice(name, name + nameLength), bytes.latin1Slice(value, value + valueLength)]);
  }
  const { targetStart, targetLength } = requestParser;
  return { end: end - before.length, fields, target: bytes.latin1Slice(targetStart, targetStart + targetLength) };
}

test('offsets are into the bytes given, wherever the head begins, and the body is not looked at', () => {
  const head = 'POST /a?b HTTP/1.1\r\nHost: x\r\nEmpty:\r\nA:  b\r\nContent-Length: 3\r\n\r\n';
  for (const before of ['', 'earlier bytes']) {
    const parsed = parse(`${head}abcGET`, 100, before);
    assert.equal(parsed.end, head.length);
    assert.equal(parsed.target, '/a?b');
    assert.deepEqual(parsed.fields, [
      ['Host', 'x'],
      ['Empty', ''],
      ['A', 'b'],
      ['Content-Length', '3'],
    ]);
  }
  assert.equal(requestParser.method, 'POST');
});

test('a head without its end is incomplete, nonsense is malformed at its first byte', () => {
  const head = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  for (let length = 1; length < head.length; length++) {
    const bytes = Buffer.from(head.slice(0, length));
    assert.equal(requestParser.parse(bytes, 0, length, 100), INCOMPLETE, head.slice(0, length));
  }
  assert.equal(requestParser.parse(Buffer.from('\x16\x03\x01'), 0, 3, 100), MALFORMED);
});

test('one field more than allowed is found before the rest is read', () => {
  const many = `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(200)}`;
  assert.equal(requestParser.parse(Buffer.from(many), 0, many.length, 150), TOO_MANY);
  assert.equal(requestParser.parse(Buffer.from(`${many}\r\n`), 0, many.length + 2, 200), many.length + 2);
  assert.equal(requestParser.count, 200);
});

test('a head larger than the memory prepared for it is parsed whole', () => {
  const head = `HTTP/1.1 200 OK\r\nLong: ${'x'.repeat(300_000)}\r\n\r\n`;
  const bytes = Buffer.from(head);
  assert.equal(responseParser.parse(bytes, 0, bytes.length, 100), head.length);
  assert.equal(responseParser.fields[3], 300_000);
  assert.equal(parse('GET / HTTP/1.1\r\nHost: x\r\n\r\n').end, 27);
});
