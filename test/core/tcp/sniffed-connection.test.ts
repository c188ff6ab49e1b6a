// What first bytes say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spokenBy } from '../../../core/snapshot/tcp.ts';
import { beginsRequest, guess, sniff } from '../../../core/tcp/sniffed-connection.ts';
import type { Node } from '../../../core/workload.ts';

const of = (text: string) => sniff(Buffer.from(text, 'latin1'));

test('the first line says whether it is HTTP', () => {
  const rows: readonly (readonly [text: string, spoken: ReturnType<typeof sniff>])[] = [
    ['GET / HTTP/1.1\r\n', 'http/1.1'],
    ['POST http://a/b HTTP/1.0\r\nHost: a', 'http/1.1'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'h2'],
    ['M-SEARCH * HTTP/1.1\n', 'http/1.1'],
    ['\r\nGET / HTTP/1.1\r\n', 'http/1.1'],
    ['\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n', 'bytes'],
    ['GET', 'more'],
    ['GET /very/long', 'more'],
    ['', 'more'],
    ['\r\n', 'more'],
    ['GET /\r\n', 'bytes'],
    ['INVITE sip:a@b SIP/2.0\r\n', 'bytes'],
    ['EHLO a\r\n', 'bytes'],
    ['get key\r\n', 'bytes'],
    ['CONNECT {"verbose":false}\r\n', 'bytes'],
    ['GET /\0', 'bytes'],
    ['{"a": 1}', 'bytes'],
    [`${'A'.repeat(40)}`, 'bytes'],
    [`GET /${'a'.repeat(70_000)}`, 'http/1.1'],
    [`SET ${'a'.repeat(70_000)}`, 'bytes'],
    ['\x16', 'more'],
    ['\x16\x03', 'tls'],
    ['\x16\x04', 'bytes'],
  ];
  for (const [text, spoken] of rows) assert.equal(of(text), spoken, JSON.stringify(text.slice(0, 40)));
});

test('of half a line it is guessed', () => {
  for (const text of ['GET /a', 'OPTIONS *', 'GET http://a', 'CONNECT a.example:443 HT', '\r\nGET /']) {
    assert.equal(guess(Buffer.from(text)), 'http/1.1', text);
  }
  for (const text of ['hello', 'port 9000', 'GET', '\r\n', '\x16', 'HELLO world']) {
    assert.equal(guess(Buffer.from(text)), 'bytes', text);
  }
});

test('a method that is not whole, or has nothing behind it, begins a request', () => {
  for (const text of ['G', 'GET', 'GET ', 'DELET', '\r\nPO', 'PRI * HT'])
    assert.ok(beginsRequest(Buffer.from(text)), text);
  for (const text of ['', '\r\n', 'GETS', 'get', 'GET  ', 'GET /', 'PING', '\x16']) {
    assert.ok(!beginsRequest(Buffer.from(text)), text);
  }
});

test('what is declared comes before what is found out', () => {
  const rows: readonly (readonly [protocol: string | undefined, spoken: string, port: number, as: string])[] = [
    ['tcp', 'HTTP', 8080, 'bytes'],
    ['http', 'TCP', 8080, 'http'],
    [undefined, 'REDIS', 8080, 'bytes'],
    [undefined, 'GRPC', 8080, 'http'],
    [undefined, '', 8080, 'unknown'],
    [undefined, 'WEB', 8080, 'unknown'],
  ];
  for (const [protocol, spoken, port, as] of rows) {
    const node = { app: { address: '127.0.0.1', port, protocol } } as unknown as Node;
    assert.equal(spokenBy(node, spoken), as, `${protocol} ${spoken} ${port}`);
  }
});
