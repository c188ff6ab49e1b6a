import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { flagBit } from '../../../../core/errors.ts';
import { Head } from '../../../../core/http/head.ts';
import { Calls, FAR, WRAPPING } from '../calls.ts';
import { guest } from '../guests.ts';
import { TestStream } from '../harness.ts';

const OK = 0;
const NOT_FOUND = 1;
const INVALID_MEMORY_ACCESS = 6;

describe('properties', () => {
  const text = (value: Buffer | number | undefined): unknown => (Buffer.isBuffer(value) ? value.toString() : value);
  const number = (value: Buffer | number | undefined): unknown =>
    Buffer.isBuffer(value) && value.length === 8 ? Number(value.readBigInt64LE()) : value;

  test('of the request', () => {
    const head = Head.request('POST', 'reviews:9080', '/a/b?c=d&e', [
      ['User-Agent', 'curl'],
      ['Referer', 'http://x/'],
      ['X-A', '1'],
      ['x-a', '2'],
    ]);
    const calls = new Calls(guest(), new TestStream(head, { bytesReceived: 12, durationMs: 1.5 }));
    assert.equal(text(calls.property('request', 'path')), '/a/b?c=d&e');
    assert.equal(text(calls.property('request', 'url_path')), '/a/b');
    assert.equal(text(calls.property('request', 'query')), 'c=d&e');
    assert.equal(text(calls.property('request', 'host')), 'reviews:9080');
    assert.equal(text(calls.property('request', 'method')), 'POST');
    assert.equal(text(calls.property('request', 'scheme')), 'http');
    assert.equal(text(calls.property('request', 'protocol')), 'HTTP/1.1');
    assert.equal(text(calls.property('request', 'useragent')), 'curl');
    assert.equal(text(calls.property('request', 'referer')), 'http://x/');
    assert.equal(text(calls.property('request', 'id')), 'b1946ac9');
    assert.equal(text(calls.property('request', 'headers', 'X-A')), '1,2');
    assert.equal(text(calls.property('request', 'headers', ':path')), '/a/b?c=d&e');
    assert.equal(calls.property('request', 'headers', 'nope'), NOT_FOUND);
    assert.equal(number(calls.property('request', 'time')), 1_700_000_000_000_000_000);
    assert.equal(number(calls.property('request', 'size')), 12);
    assert.equal(number(calls.property('request', 'duration')), 1_500_000);
  });

  test('of the response, once there is one', () => {
    const flags = flagBit('UH') | flagBit('NC');
    const calls = new Calls(guest(), new TestStream(undefined, { responseCodeDetails: 'via_upstream', flags }));
    assert.equal(calls.property('response', 'code'), NOT_FOUND);
    assert.equal(calls.property('response', 'headers', 'a'), NOT_FOUND);
    calls.stream.responseHead = Head.response(404, [['A', 'b']]);
    calls.stream.responseTrailers = Head.response(0, [['grpc-status', '5']]);
    assert.equal(number(calls.property('response', 'code')), 404);
    assert.equal(text(calls.property('response', 'code_details')), 'via_upstream');
    assert.equal(number(calls.property('response', 'flags')), (1 << 1) | (1 << 24), 'as Envoy numbers them');
    assert.equal(text(calls.property('response', 'headers', 'a')), 'b');
    assert.equal(text(calls.property('response', 'trailers', 'grpc-status')), '5');
    assert.equal(number(calls.property('response', 'grpc_status')), 5);
  });

  test('of the connection and the upstream; who called comes from the record, not from a header', () => {
    const spoofed = Head.request('GET', 'a', '/', [['x-forwarded-client-cert', 'URI=spiffe://evil']]);
    const unknown = new Calls(guest(), new TestStream(spoofed));
    assert.equal(unknown.property('connection', 'uri_san_peer_certificate'), NOT_FOUND);
    assert.equal(unknown.property('weft', 'source_principal'), NOT_FOUND);
    assert.equal(unknown.property('upstream', 'address'), NOT_FOUND);
    const calls = new Calls(
      guest(),
      new TestStream(undefined, {
        sourcePrincipal: 'cluster.local/ns/shop/sa/cart',
        upstreamHost: '127.0.0.1:9080',
        clusterName: 'inbound|9080||',
      }),
    );
    assert.equal(
      text(calls.property('connection', 'uri_san_peer_certificate')),
      'spiffe://cluster.local/ns/shop/sa/cart',
    );
    assert.equal(text(calls.property('weft', 'source_principal')), 'cluster.local/ns/shop/sa/cart');
    assert.equal(text(calls.property('weft', 'source_namespace')), 'shop');
    assert.equal(text(calls.property('source', 'address')), '127.1.0.2:40000');
    assert.equal(number(calls.property('source', 'port')), 40_000);
    assert.equal(text(calls.property('destination', 'address')), '127.1.0.3:9080');
    assert.equal(number(calls.property('destination', 'port')), 9080);
    assert.deepEqual(calls.property('connection', 'mtls'), Buffer.of(0));
    assert.equal(text(calls.property('upstream', 'address')), '127.0.0.1:9080');
    assert.equal(number(calls.property('upstream', 'port')), 9080);
    assert.equal(text(calls.property('cluster_name')), 'inbound|9080||');
    assert.equal(text(calls.property('route_name')), 'default');
    assert.equal(number(calls.property('listener_direction')), 1);
  });

  test('of the plugin and the node, also for a root', () => {
    const calls = new Calls(guest(), new TestStream(), { name: 'p', rootId: '', vmId: 'v' });
    calls.as(calls.plugin.root);
    assert.equal(text(calls.property('plugin_name')), 'p');
    assert.equal(text(calls.property('plugin_root_id')), '', 'an empty root id is there');
    assert.equal(text(calls.property('plugin_vm_id')), 'v');
    assert.equal(text(calls.property('node', 'id')), 'sidecar~reviews-v1-1');
    assert.equal(text(calls.property('node', 'metadata', 'NAMESPACE')), 'default');
    assert.equal(text(calls.property('node', 'metadata', 'LABELS', 'app')), 'reviews');
    assert.equal(calls.property('request', 'path'), NOT_FOUND);
  });

  test('a NUL at the end of a path is optional; unknown, empty and endless paths are NOT_FOUND', () => {
    const calls = new Calls();
    assert.equal(text(calls.property('request', 'method', '')), 'GET');
    for (const path of ['', 'nope', 'request', 'request\0nope', 'x'.repeat(5000)]) {
      assert.equal(calls.property(path), NOT_FOUND, path.slice(0, 20));
    }
  });

  test('this route’s configuration of the filter', () => {
    const calls = new Calls(guest(), new TestStream(), {}, Uint8Array.of(1, 0, 2));
    assert.deepEqual(calls.property('weft', 'filter_config'), Buffer.of(1, 0, 2));
    assert.equal(new Calls().property('weft', 'filter_config'), NOT_FOUND);
  });

  test('what one filter sets, later filters read; nothing known can be shadowed', () => {
    const calls = new Calls();
    const set = (path: string, value: string) =>
      calls.env('proxy_set_property', ...calls.put(path), ...calls.put(value));
    assert.equal(set('my\0key', 'value'), OK);
    assert.equal(text(calls.property('my', 'key')), 'value');
    assert.equal(set('weft\0source_principal', 'cluster.local/ns/x/sa/admin'), OK);
    assert.equal(calls.property('weft', 'source_principal'), NOT_FOUND);
    assert.equal(calls.as(calls.plugin.root).env('proxy_set_property', ...calls.put('a'), ...calls.put('b')), OK);
  });

  test('bad pointers are INVALID_MEMORY_ACCESS', () => {
    const calls = new Calls();
    for (const bad of [FAR, WRAPPING]) {
      assert.equal(calls.env('proxy_get_property', bad, 8, 64, 68), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_get_property', ...calls.put('request\0path'), bad, 68), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_set_property', bad, 8, 0, 0), INVALID_MEMORY_ACCESS);
      assert.equal(calls.env('proxy_set_property', 0, 0, bad, 8), INVALID_MEMORY_ACCESS);
    }
  });
});
