import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ATTRIBUTES, type Attribute, type AttributeName } from '../../core/attributes.ts';
import { flagBit } from '../../core/errors.ts';
import type { ExchangeRecord } from '../../core/exchange/record.ts';
import { programOf } from '../../core/expression/evaluate.ts';
import { parse } from '../../core/expression/parse.ts';
import { Head } from '../../core/http/head.ts';
import { httpLabels } from '../../core/telemetry/labels.ts';
import { operator } from '../../core/telemetry/operators.ts';
import { HTTP_LABELS } from '../../core/telemetry/statistics.ts';
import { decodePairs } from '../../core/wasm/abi/pairs.ts';
import { exchange } from './telemetry/exchange-record.ts';
import { Calls } from './wasm/calls.ts';
import { guest } from './wasm/guests.ts';
import { TestStream } from './wasm/harness.ts';

/** An exchange that has a value for whatever can have one. */
const RECORD = exchange({
  direction: 'inbound',
  requestHead: Head.request('POST', 'reviews:9080', '/reviews/0?a=1', [
    ['user-agent', 'curl/8'],
    ['referer', 'http://shop/'],
    ['x-team', 'blue'],
    ['X-Team', 'red'],
  ]),
  responseHead: Head.response(503, [['x-from', 'v2']]),
  responseTrailers: Head.response(0, [['grpc-status', '14']]),
  responseCode: 503,
  responseCodeDetails: 'upstream_reset',
  flags: flagBit('UC') | flagBit('URX'),
  upstreamTransportFailure: 'refused',
  bytesReceived: 12,
});

/** Of TLS, which there is none. */
const NEVER =
  /^(connection\.(requested|tls|subject|dns_san|uri_san_local|sha256|peer_cert|transport_f|termination)|upstream\.(tls|subject|dns_san|uri_san|sha256|peer_cert))/;

/** A key that each map has. */
const KEYS: Readonly<Record<string, string>> = {
  'request.headers': 'X-Team',
  'response.headers': 'x-from',
  'response.trailers': 'grpc-status',
  'source.labels': 'app',
  'destination.labels': 'app',
  'downstream_peer.labels': 'version',
  'upstream_peer.labels': 'version',
};

const OPERATORS: Readonly<Record<string, AttributeName>> = {
  PROTOCOL: 'request.protocol',
  RESPONSE_CODE: 'response.code',
  RESPONSE_CODE_DETAILS: 'response.code_details',
  UPSTREAM_TRANSPORT_FAILURE_REASON: 'upstream.transport_failure_reason',
  BYTES_SENT: 'response.size',
  DURATION: 'request.duration',
  RESPONSE_DURATION: 'response.duration',
  UPSTREAM_HOST: 'upstream.address',
  UPSTREAM_CLUSTER: 'xds.cluster_name',
  UPSTREAM_LOCAL_ADDRESS: 'upstream.local_address',
  UPSTREAM_REQUEST_ATTEMPT_COUNT: 'upstream.request_attempt_count',
  DOWNSTREAM_REMOTE_ADDRESS: 'source.address',
  DOWNSTREAM_REMOTE_PORT: 'source.port',
  DOWNSTREAM_PEER_URI_SAN: 'connection.uri_san_peer_certificate',
  REQUESTED_SERVER_NAME: 'connection.requested_server_name',
  ROUTE_NAME: 'xds.route_name',
  CONNECTION_ID: 'connection.id',
  GRPC_STATUS_NUMBER: 'response.grpc_status',
  'REQ(:METHOD)': 'request.method',
  'REQ(:PATH)': 'request.path',
  'REQ(:AUTHORITY)': 'request.host',
  'REQ(HOST)': 'request.host',
  'REQ(:SCHEME)': 'request.scheme',
  'REQ(USER-AGENT)': 'request.useragent',
  'REQ(REFERER)': 'request.referer',
  'REQ(X-REQUEST-ID)': 'request.id',
};

const LABELS: Readonly<Record<string, AttributeName>> = {
  source_workload: 'source.workload.name',
  source_workload_namespace: 'source.workload.namespace',
  source_app: 'downstream_peer.app',
  source_version: 'downstream_peer.version',
  source_principal: 'connection.uri_san_peer_certificate',
  destination_workload: 'destination.workload.name',
  destination_workload_namespace: 'destination.workload.namespace',
  destination_app: 'upstream_peer.app',
  destination_version: 'upstream_peer.version',
  destination_service: 'destination.service.host',
  response_code: 'response.code',
};

function shownBy(name: AttributeName, record: ExchangeRecord = RECORD): string | number | boolean | undefined {
  const attribute: Attribute = ATTRIBUTES[name];
  return attribute.type === 'map' ? attribute.entry(KEYS[name])(record) : attribute.read(record);
}

function asked(...path: readonly string[]): Buffer | number | undefined {
  return new Calls(guest(), new TestStream(RECORD.requestHead!, RECORD)).property(...path);
}

/** As a guest is given it. */
function encoded(name: AttributeName): Buffer | number {
  const value = shownBy(name);
  if (value === undefined) return 1;
  if (typeof value === 'string') return Buffer.from(value);
  if (typeof value === 'boolean') return Buffer.of(Number(value));
  const { type } = ATTRIBUTES[name];
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(type === 'int' ? value : Math.round(value * 1e6)));
  return bytes;
}

for (const [name, attribute] of Object.entries(ATTRIBUTES) as [AttributeName, Attribute][]) {
  describe(`attribute ${name}`, () => {
    const key = attribute.type === 'map' ? [KEYS[name]] : [];

    test('has a value when there is one', () => {
      assert.equal(shownBy(name) === undefined, NEVER.test(name));
    });

    test('is given to a guest', () => {
      assert.deepEqual(asked(...name.split('.'), ...key), encoded(name));
    });

    test('is the same in an expression', () => {
      const entry = key.length === 0 ? '' : `['${key}']`;
      const expression = parse(name + entry);
      assert.equal(expression.type, attribute.type === 'map' ? 'string' : attribute.type);
      assert.equal(programOf(expression)(RECORD), shownBy(name));
    });

    test('is nothing, and no error, before a request was read', () => {
      const nobody: Partial<ExchangeRecord> = { requestHead: null, responseHead: null, responseTrailers: null };
      const value = shownBy(name, exchange({ ...nobody, source: null, destination: null }));
      if (attribute.type === 'map') assert.equal(value, undefined);
    });

    if (attribute.type === 'map') {
      test('is given to a guest as a whole, too', () => {
        const all = decodePairs(asked(...name.split('.')) as Buffer);
        assert.deepEqual(all, attribute.all(RECORD));
        assert.ok(all.some(([given]) => given === KEYS[name].toLowerCase()));
      });
    }
  });
}

for (const [shown, name] of Object.entries(OPERATORS)) {
  test(`%${shown}% prints the attribute ${name}`, () => {
    const [, plain, argument] = /^(\w+)(?:\((.+)\))?$/.exec(shown)!;
    const value = shownBy(name);
    assert.equal(operator(plain, argument)(RECORD), typeof value === 'number' ? Math.floor(value) : value);
  });
}

for (const [label, name] of Object.entries(LABELS)) {
  test(`the label ${label} is the attribute ${name}`, () => {
    const labels = httpLabels(RECORD, RECORD.source, RECORD.destinationService, -1);
    assert.equal(labels[HTTP_LABELS.indexOf(label as (typeof HTTP_LABELS)[number])], String(shownBy(name)));
  });
}

test('a map is whole as it is now: with what a filter wrote, without what it removed', () => {
  const calls = new Calls(guest(), new TestStream(Head.request('GET', 'a', '/', [['x-a', '1']])));
  calls.stream.requestHead.add('x-b', '2');
  const all = new Map(decodePairs(calls.property('request', 'headers') as Buffer));
  assert.deepEqual([all.get('x-a'), all.get('x-b'), all.get(':path')], ['1', '2', '/']);
  assert.equal(calls.property('response', 'headers'), 1, 'there is none yet');
});

test('labels beyond ASCII are UTF-8 in a map and one by one', () => {
  const source = { ...RECORD.source!, labels: { straße: 'zürich' } };
  const calls = new Calls(guest(), new TestStream(undefined, { source }));
  const whole = calls.property('source', 'labels') as Buffer;
  assert.ok(whole.includes(Buffer.from('straße\0zürich\0')));
  assert.deepEqual(calls.property('source', 'labels', Buffer.from('straße').latin1Slice()), Buffer.from('zürich'));
});

test('the path before a rewrite is this proxy’s to say, and nobody else’s', () => {
  const requestHead = Head.request('GET', 'a', '/new', [['x-envoy-original-path', '/forged']]);
  const read = ATTRIBUTES['request.headers'].entry('X-Envoy-Original-Path');
  assert.equal(read(exchange({ requestHead })), undefined);
  assert.equal(read(exchange({ requestHead, originalPath: '/old' })), '/old');
});
