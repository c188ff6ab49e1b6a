import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Head } from '../../../../core/http/head.ts';
import { Calls } from '../calls.ts';
import { guest } from '../guests.ts';
import { TestStream } from '../harness.ts';

const NOT_FOUND = 1;

type Expected = string | bigint | Buffer | typeof NOT_FOUND;

/** Every property that Envoy gives filters: the value for the exchange below, or NOT_FOUND for what the mesh has not. */
const ROWS: Readonly<Record<string, Expected>> = {
  plugin_name: 'test',
  plugin_root_id: 'root',
  plugin_vm_id: 'vm',
  'request.path': '/a/b?c=d',
  'request.url_path': '/a/b',
  'request.host': 'reviews:9080',
  'request.scheme': 'http',
  'request.method': 'GET',
  'request.headers.x-a': '1',
  'request.referer': 'http://x/',
  'request.useragent': 'curl',
  'request.time': 1_700_000_000_000_000_000n,
  'request.id': 'b1946ac9',
  'request.protocol': 'HTTP/1.1',
  'request.query': 'c=d',
  'request.duration': 1_500_000n,
  'request.size': 12n,
  'request.total_size': 102n,
  'request.headers_bytes': 90n,
  'response.code': 200n,
  'response.code_details': 'via_upstream',
  'response.flags': 0n,
  'response.grpc_status': 5n,
  'response.headers.x-b': '2',
  'response.trailers.grpc-status': '5',
  'response.size': 34n,
  'response.total_size': 75n,
  'response.headers_bytes': 29n,
  'source.address': '127.1.0.2:40000',
  'source.port': 40_000n,
  'destination.address': '127.1.0.3:9080',
  'destination.port': 9080n,
  'connection.id': 7n,
  'connection.mtls': Buffer.of(0),
  'connection.requested_server_name': NOT_FOUND,
  'connection.tls_version': NOT_FOUND,
  'connection.subject_local_certificate': NOT_FOUND,
  'connection.subject_peer_certificate': NOT_FOUND,
  'connection.dns_san_local_certificate': NOT_FOUND,
  'connection.dns_san_peer_certificate': NOT_FOUND,
  'connection.uri_san_local_certificate': NOT_FOUND,
  'connection.uri_san_peer_certificate': 'spiffe://cluster.local/ns/shop/sa/cart',
  'connection.sha256_peer_certificate_digest': NOT_FOUND,
  'upstream.address': '127.0.0.1:9081',
  'upstream.port': 9081n,
  'upstream.local_address': '127.0.0.1:5000',
  'upstream.tls_version': NOT_FOUND,
  'upstream.subject_local_certificate': NOT_FOUND,
  'upstream.subject_peer_certificate': NOT_FOUND,
  'upstream.dns_san_local_certificate': NOT_FOUND,
  'upstream.dns_san_peer_certificate': NOT_FOUND,
  'upstream.uri_san_local_certificate': NOT_FOUND,
  'upstream.uri_san_peer_certificate': NOT_FOUND,
  cluster_name: 'inbound|9080||',
  route_name: 'default',
  listener_direction: 1n,
  'node.id': 'sidecar~reviews-v1-1',
  'node.cluster': 'reviews-v1.default',
  'node.metadata.NAME': 'reviews-v1-1',
  'node.metadata.NAMESPACE': 'default',
  'node.metadata.MESH_ID': 'cluster.local',
  'node.metadata.NODE_NAME': 'sidecar~reviews-v1-1',
  'node.metadata.LABELS.app': 'reviews',
  'xds.cluster_name': 'inbound|9080||',
  'xds.route_name': 'default',
  'xds.virtual_host_name': 'inbound|http|9080',
  'xds.listener_direction': 1n,
  'xds.node.id': 'sidecar~reviews-v1-1',
  'xds.node.cluster': 'reviews-v1.default',
  'xds.node.metadata.NAMESPACE': 'default',
  'xds.node.metadata.LABELS.app': 'reviews',
  'upstream.request_attempt_count': 2n,
  'upstream.num_endpoints': 3n,
  'upstream.transport_failure_reason': NOT_FOUND,
};

function opened(): Calls {
  const head = Head.request('GET', 'reviews:9080', '/a/b?c=d', [
    ['user-agent', 'curl'],
    ['referer', 'http://x/'],
    ['x-a', '1'],
  ]);
  const stream = new TestStream(head, {
    bytesReceived: 12,
    bytesSent: 34,
    durationMs: 1.5,
    responseCodeDetails: 'via_upstream',
    sourcePrincipal: 'cluster.local/ns/shop/sa/cart',
    upstreamHost: '127.0.0.1:9081',
    upstreamLocalAddress: '127.0.0.1:5000',
    clusterName: 'inbound|9080||',
    clusterEndpoints: 3,
    virtualHostName: 'inbound|http|9080',
    attempts: 2,
  });
  stream.responseHead = Head.response(200, [['x-b', '2']]);
  stream.responseTrailers = Head.response(0, [['grpc-status', '5']]);
  return new Calls(guest(), stream, { rootId: 'root', vmId: 'vm' });
}

function encoded(expected: Expected): Buffer | number {
  if (typeof expected === 'number' || Buffer.isBuffer(expected)) return expected;
  if (typeof expected === 'string') return Buffer.from(expected);
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(expected);
  return bytes;
}

for (const [path, expected] of Object.entries(ROWS)) {
  test(`property ${path}`, () => {
    const calls = opened();
    assert.deepEqual(calls.property(...path.split('.')), encoded(expected));
    assert.deepEqual(calls.property(...path.split('.'), ''), encoded(expected), 'with a NUL at the end');
  });
}

test('a root has the properties of its plugin and its node, and none of an exchange', () => {
  const calls = opened();
  calls.as(calls.plugin.root);
  for (const [path, expected] of Object.entries(ROWS)) {
    const own = /^(plugin_|(xds\.)?node\.)/.test(path);
    assert.deepEqual(calls.property(...path.split('.')), own ? encoded(expected) : NOT_FOUND, path);
  }
});
