import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EndpointTable } from '../../../core/cluster/endpoint-table.ts';
import { Timers } from '../../../core/timers.ts';

function table() {
  let now = 0;
  const timers = new Timers(10, () => now);
  timers.stop();
  const endpoints = new EndpointTable({ timers, expectedStreams: () => 1, dial: () => () => {} });
  return {
    endpoints,
    pass(ms: number) {
      now += ms;
      timers.advance();
    },
  };
}

test('the same address and port is the same endpoint', () => {
  const { endpoints } = table();
  assert.equal(endpoints.at('127.0.0.1', 80), endpoints.at('127.0.0.1', 80));
  assert.notEqual(endpoints.at('127.0.0.1', 80), endpoints.at('127.0.0.1', 81));
});

test('endpoints that nothing leads to are forgotten within a minute, without any change of configuration', () => {
  const { endpoints, pass } = table();
  const kept = endpoints.at('127.0.0.1', 80);
  kept.joined(null);
  endpoints.at('127.0.0.2', 80);
  pass(61_000);
  assert.equal(endpoints.size, 1);
  endpoints.at('127.0.0.3', 80);
  pass(61_000);
  assert.equal(endpoints.size, 1);
  assert.equal(endpoints.at('127.0.0.1', 80), kept);
});

test('an endpoint is remembered for as long as a request is with it', () => {
  const { endpoints, pass } = table();
  const busy = endpoints.at('127.0.0.1', 80);
  busy.entered();
  endpoints.sweep();
  assert.equal(endpoints.at('127.0.0.1', 80), busy);
  busy.left();
  pass(61_000);
  assert.equal(endpoints.size, 0);
});

test('however many hosts are asked for, the table stays bounded', () => {
  const { endpoints, pass } = table();
  for (let i = 0; i < 50; i++) endpoints.at('10.0.0.1', i).joined(null);
  let most = 0;
  for (let i = 0; i < 20_000; i++) {
    endpoints.at('10.0.0.2', i);
    if (i % 100 === 0) pass(30);
    most = Math.max(most, endpoints.size);
  }
  assert.ok(most < 2000, `${most}`);
  assert.ok(endpoints.size >= 50);
});
