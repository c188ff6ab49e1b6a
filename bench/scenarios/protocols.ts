// What is not HTTP/1.1: HTTP/2 and gRPC to the end, WebSocket, and connections of which nobody looks at the bytes.

import { MESSAGE_BYTES, METHOD } from '../upstreams.ts';
import { entrants, get, LOAD } from './entrants.ts';
import type { LoadScenario } from './scenario.ts';

const GRPC = { 'content-type': 'application/grpc', te: 'trailers' };
const H2 = ['haproxy', 'nghttpx', 'envoy', 'node-http2', 'weft'];
/** Latencies are those of requests in HTTP/1.1. */
const CLOSED = { ...LOAD, rate: 0 } as const;
/** So many come in a second that code is still compiled after those of LOAD: 41 µs instead of 28 in the seconds that follow (tried). */
const WARM = 120_000;

export const protocols: readonly LoadScenario[] = [
  {
    ...CLOSED,
    name: 'h2',
    about: 'HTTP/2 on both sides, GET, 300 B answer, 64 streams at a time on 4 connections',
    entrants: entrants(H2, { speaks: 'h2', behind: 'h2' }),
    closed: 'h2load',
    traffic: get(300, { connections: 4, streams: 16 }),
    length: 2,
    warm: WARM,
  },
  {
    ...CLOSED,
    name: 'h2-1g',
    about: 'HTTP/2 on both sides, GET, 1 GiB answer, one connection; body-1g is the same in HTTP/1.1',
    entrants: entrants(['haproxy', 'nghttpx', 'envoy', 'weft'], { speaks: 'h2', behind: 'h2' }),
    closed: 'h2load',
    traffic: get(1 << 30, { connections: 1 }),
    warm: 1,
  },
  {
    ...CLOSED,
    name: 'grpc-unary',
    about: 'gRPC, a message of 100 B each way, trailers, 64 streams at a time on 4 connections',
    entrants: entrants(['nginx', ...H2], { speaks: 'h2', behind: 'grpc' }),
    closed: 'h2load',
    traffic: get(MESSAGE_BYTES, {
      ...{ method: 'POST', path: METHOD, requestBodyBytes: MESSAGE_BYTES, headers: GRPC },
      ...{ connections: 4, streams: 16 },
    }),
    length: 2,
    warm: WARM,
  },
  {
    ...CLOSED,
    name: 'grpc-stream',
    about: 'gRPC, 64 streams on 4 connections that stay, messages of 100 B there and back: the cost of each such pair',
    entrants: entrants(['nginx', ...H2], { speaks: 'h2', behind: 'grpc-echo' }),
    closed: 'messages',
    traffic: get(300, {
      ...{ as: 'grpc-messages', path: '/bench.Echo/Stream', requestBodyBytes: 100 },
      ...{ connections: 4, streams: 16 },
    }),
    length: 2,
  },
  {
    ...CLOSED,
    name: 'websocket',
    about: 'messages of 100 B there and back over 32 connections of WebSocket: the cost of each such pair',
    entrants: entrants(['nginx', 'haproxy', 'envoy', 'weft'], { behind: 'websocket' }),
    closed: 'messages',
    traffic: get(300, { as: 'websocket-messages', path: '/echo', requestBodyBytes: 100 }),
    length: 2,
  },
  {
    ...LOAD,
    name: 'tcp-echo',
    about: 'bytes that nobody looks at: 60 B there and 450 B back over 32 connections, the cost of each such pair',
    entrants: entrants(['haproxy', 'envoy', 'weft'], { speaks: 'bytes' }),
    traffic: get(300),
    length: 2,
  },
  {
    ...CLOSED,
    name: 'tcp-1g',
    about: 'bytes that nobody looks at: 1 GiB back over one connection',
    entrants: entrants(['haproxy', 'envoy', 'weft'], { speaks: 'bytes' }),
    traffic: get(1 << 30, { connections: 1 }),
    closed: 'patient',
    warm: 1,
  },
];
