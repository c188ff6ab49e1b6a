// The HTTP/1.1 codec's hot functions: parsing a head, writing it on, and both with a field changed.

import type { Socket } from 'node:net';
import { FieldName, type Head } from '../../core/http/head.ts';
import { SILENT, writeRequestHead, writeResponseHead } from '../../core/http1/encoder.ts';
import {
  FIXED,
  NO_BODY,
  readRequestHead,
  readResponseHead,
  requestFacts,
  responseFacts,
} from '../../core/http1/strict.ts';
import { Outbox } from '../../core/transport/outbox.ts';
import type { Subject } from './subject.ts';

const LIMITS = { maxHeadBytes: 60 << 10, maxFields: 100 };

const WRK = 'GET /productpage?u=normal HTTP/1.1\r\nHost: bookinfo.local:8080\r\n\r\n';
const CURL = 'GET / HTTP/1.1\r\nHost: bookinfo.local:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n';
const BROWSER = [
  'GET /productpage?u=normal HTTP/1.1',
  'Host: bookinfo.local:8080',
  'Connection: keep-alive',
  'Cache-Control: max-age=0',
  'Upgrade-Insecure-Requests: 1',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
  'Cookie: session=eyJ1c2VyIjoiamFzb24ifQ.ZvXk2A.0123456789abcdef0123456789abcdef; theme=dark',
  'Sec-Fetch-Dest: document',
  'Sec-Fetch-Mode: navigate',
  'x-request-id: 5f0c1a52-8b1f-4f4c-9a53-7d5d1c0e9f77',
  'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  '\r\n',
].join('\r\n');
const ANSWER = [
  'HTTP/1.1 200 OK',
  'Server: nginx/1.22.1',
  'Date: Mon, 01 Jan 2024 00:00:00 GMT',
  'Content-Type: text/html; charset=utf-8',
  'Content-Length: 1024',
  'Connection: keep-alive',
  'Cache-Control: no-store',
  '\r\n',
].join('\r\n');

const sink = { writable: true, writableLength: 0, write: () => true, cork() {}, uncork() {} };
const out = new Outbox(sink as unknown as Socket, { onOutboxDrained() {}, onOutboxFailed() {} }, 1 << 30);
const COOKIE = new FieldName('cookie');

function parseRequest(bytes: Buffer): Head {
  if (readRequestHead(bytes, 0, bytes.length, LIMITS, 'reverse') !== 'complete') throw new Error('not a request');
  return requestFacts.head!;
}

function parseResponse(bytes: Buffer): Head {
  if (readResponseHead(bytes, 0, bytes.length, LIMITS, false) !== 'complete') throw new Error('not a response');
  return responseFacts.head!;
}

export function codecSubjects(): readonly Subject[] {
  const answer = Buffer.from(ANSWER);
  const answerHead = parseResponse(answer);
  return [
    ...requests('wrk', WRK, [1.2, 0.5, 2.3]),
    ...requests('curl', CURL, [1.5, 0.6, 2.8]),
    ...requests('browser', BROWSER, [4.2, 1.1, 6.3]),
    subject(`parse response head (${answer.length} bytes)`, 2.2, () => parseResponse(answer)),
    subject('write response head', 0.9, () => {
      writeResponseHead(out, answerHead, FIXED, 1024, SILENT);
      out.flush();
    }),
  ];
}

function requests(name: string, text: string, budgets: readonly [number, number, number]): readonly Subject[] {
  const bytes = Buffer.from(text);
  const head = parseRequest(bytes);
  return [
    subject(`parse request head (${name}, ${bytes.length} bytes)`, budgets[0], () => parseRequest(bytes)),
    subject(`write request head (${name})`, budgets[1], () => {
      writeRequestHead(out, head, NO_BODY, -1);
      out.flush();
    }),
    subject(`parse, remove, add, write (${name})`, budgets[2], () => {
      const fresh = parseRequest(bytes);
      fresh.remove(COOKIE);
      fresh.added.push('x-forwarded-proto', 'http');
      writeRequestHead(out, fresh, NO_BODY, -1);
      out.flush();
    }),
  ];
}

function subject(name: string, budget: number, once: () => void): Subject {
  return {
    name,
    budget,
    run(times) {
      for (let i = 0; i < times; i++) once();
    },
  };
}
