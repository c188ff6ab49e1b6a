import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flagBit } from '../../../core/errors.ts';
import { Head } from '../../../core/http/head.ts';
import { BadFormat } from '../../../core/telemetry/format.ts';
import { compileFormat, compileJsonFormat, ISTIO_JSON, ISTIO_TEXT } from '../../../core/telemetry/log-format.ts';
import { exchange } from './exchange-record.ts';

const text = compileFormat(ISTIO_TEXT);
const json = compileJsonFormat(ISTIO_JSON);

/** One value in its place in a line. */
const print = (format: string, over: Parameters<typeof exchange>[0] = {}) =>
  compileFormat(format)(exchange(over)).replace(/\n$/, '');

describe('the line of text', () => {
  it("is Istio's", () => {
    assert.equal(
      text(exchange()),
      '[2026-01-31T09:05:07.042Z] "GET /reviews/0 HTTP/1.1" 200 - via_upstream - "-" 0 375 12 11 "-" "node" ' +
        '"c6ae0f5b" "reviews:9080" "127.1.0.2:9080" outbound|9080|v2|reviews.default.svc.cluster.local ' +
        '127.1.0.1:51000 127.0.0.1:15001 127.0.0.1:40000 - default\n',
    );
  });

  it('says "-" for everything that an exchange without request, route and upstream has not', () => {
    const record = exchange({
      requestHead: null,
      responseHead: null,
      requestId: '',
      requestEndMs: -1,
      responseStartMs: -1,
      upstreamServiceMs: -1,
      responseCode: 400,
      responseCodeDetails: 'http1.codec_error',
      flags: flagBit('DPE'),
      routeName: '',
      clusterName: '',
      upstreamHost: '',
      upstreamLocalAddress: '',
      upstreamTls: null,
    });
    assert.equal(
      text(record),
      '[2026-01-31T09:05:07.042Z] "- - HTTP/1.1" 400 DPE http1.codec_error - "-" 0 375 12 - "-" "-" "-" "-" "-" - - ' +
        '127.0.0.1:15001 127.0.0.1:40000 - -\n',
    );
  });

  it('tells the path that the client asked for, not the rewritten one', () => {
    assert.match(text(exchange({ originalPath: '/old?x=1' })), /"GET \/old\?x=1 HTTP\/1\.1"/);
  });

  it('names several flags in short and in long', () => {
    const flags = flagBit('UF') | flagBit('URX');
    assert.equal(
      print('%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%', { flags }),
      'UF,URX UpstreamConnectionFailure,UpstreamRetryLimitExceeded',
    );
  });

  it('puts IPv6 addresses in brackets', () => {
    const connection = { ...exchange().connection, remoteAddress: '::1' };
    assert.equal(print('%DOWNSTREAM_REMOTE_ADDRESS%', { connection }), '[::1]:40000');
  });
});

describe('the JSON line', () => {
  it("has Istio's keys in order, numbers as numbers and null for what is not known", () => {
    const line = json(exchange());
    assert.ok(line.endsWith('}\n'));
    assert.equal(
      line,
      `${JSON.stringify({
        start_time: '2026-01-31T09:05:07.042Z',
        route_name: 'default',
        method: 'GET',
        path: '/reviews/0',
        protocol: 'HTTP/1.1',
        response_code: 200,
        response_flags: '-',
        response_code_details: 'via_upstream',
        connection_termination_details: null,
        bytes_received: 0,
        bytes_sent: 375,
        duration: 12,
        upstream_service_time: '11',
        x_forwarded_for: null,
        user_agent: 'node',
        request_id: 'c6ae0f5b',
        authority: 'reviews:9080',
        upstream_host: '127.1.0.2:9080',
        upstream_cluster: 'outbound|9080|v2|reviews.default.svc.cluster.local',
        upstream_local_address: '127.1.0.1:51000',
        downstream_local_address: '127.0.0.1:15001',
        downstream_remote_address: '127.0.0.1:40000',
        requested_server_name: null,
        upstream_transport_failure_reason: null,
      })}\n`,
    );
  });

  it('joins literals and operators of one key into a string', () => {
    const format = compileJsonFormat({ what: '%REQ(:METHOD)% %RESPONSE_CODE% %REQ(nope)%' });
    assert.equal(format(exchange()), '{"what":"GET 200 -"}\n');
    assert.equal(compileJsonFormat({})(exchange()), '{}\n');
  });
});

describe('a value that would be a line, a column or a key of its own', () => {
  // Field values may hold any byte but CR, LF and NUL by the codec; a filter's or a name's text may hold anything.
  const heads = (value: string) => {
    const head = Head.request('GET', 'reviews', '/');
    head.newPath = value;
    head.added.push('user-agent', value);
    return { requestHead: head };
  };

  for (const [what, value, escaped] of [
    ['a quotation mark', 'a" 200 - "b', 'a\\x22 200 - \\x22b'],
    ['a line feed', 'a\n[2026-01-31T00:00:00.000Z] "GET /', 'a\\x0a[2026-01-31T00:00:00.000Z] \\x22GET /'],
    ['a carriage return', 'a\rb', 'a\\x0db'],
    ['an escape of a terminal', '\x1b[2J', '\\x1b[2J'],
    ['an escape in eight bits', '\x9b2J', '\\x9b2J'],
    ['NUL and DEL', '\0\x7f', '\\x00\\x7f'],
    ['a backslash', 'a\\x22', 'a\\x5cx22'],
    ['bytes that are UTF-8', 'caf\xc3\xa9', 'caf\\xc3\\xa9'],
  ]) {
    it(`stays inside its quotes: ${what}`, () => {
      assert.equal(print('"%REQ(USER-AGENT)%"', heads(value)), `"${escaped}"`);
    });
  }

  it('cannot begin a column where there are no quotes', () => {
    assert.equal(print('%REQ(USER-AGENT)% end', heads('a 200 b')), 'a\\x20200\\x20b end');
    assert.equal(
      print('%RESPONSE_CODE_DETAILS% end', { responseCodeDetails: 'denied by a policy' }),
      'denied_by_a_policy end',
    );
    assert.equal(print('%ROUTE_NAME% end', { routeName: 'a b' }), 'a\\x20b end');
    assert.equal(print('%REQ(USER-AGENT)% end', heads('')), '- end');
  });

  it('is bytes of UTF-8 when it is a name beyond latin1', () => {
    assert.equal(print('%ROUTE_NAME%', { routeName: 'ж' }), '\\xd0\\xb6');
    assert.equal(JSON.parse(json(exchange({ routeName: 'ж' }))).route_name, 'ж');
  });

  it('is one JSON string, with text as it was meant and nothing that a terminal or a reader of lines obeys', () => {
    const forged = '/","response_code":200,"x":"\n\r\x1b\x85\u2028';
    const line = json(exchange(heads(forged)));
    assert.equal(JSON.parse(line).path, forged);
    assert.equal(JSON.parse(line).response_code, 200);
    assert.match(line.slice(0, -1), /^[^\p{Cc}\u2028]*$/u);
    assert.equal(JSON.parse(json(exchange(heads('caf\xc3\xa9')))).user_agent, 'café');
    assert.equal(JSON.parse(json(exchange(heads('caf\xe9')))).user_agent, 'café');
    const reversed = Buffer.from('\u202egnp').toString('latin1');
    assert.match(json(exchange(heads(reversed))), /"user_agent":"\\u202egnp"/);
  });

  it('is cut where the format says so, and at 4096 characters in any case', () => {
    assert.equal(print('%REQ(USER-AGENT):3%', heads('abcdef')), 'abc');
    assert.equal(print('%REQ(USER-AGENT)%', heads('x'.repeat(60_000))).length, 4096);
    assert.equal(JSON.parse(json(exchange(heads('x'.repeat(60_000))))).user_agent.length, 4096);
  });
});

describe('operators', () => {
  it('take the second header when the first is not there', () => {
    assert.equal(print('%REQ(X-NOPE?USER-AGENT)% %REQ(X-NOPE?X-NOR)%'), 'node -');
    assert.equal(print('%RESP(:STATUS)% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%'), '200 11');
  });

  it('join a header that came several times', () => {
    const requestHead = Head.request('GET', 'a', '/', [
      ['x-forwarded-for', '10.0.0.1'],
      ['X-Forwarded-For', '10.0.0.2'],
    ]);
    assert.equal(print('"%REQ(x-forwarded-for)%"', { requestHead }), '"10.0.0.1,10.0.0.2"');
  });

  it('know times, attempts, trailers, identity and trace', () => {
    const over = {
      direction: 'inbound',
      attempts: 2,
      responseTrailers: Head.response(0, [['grpc-status', '14']]),
      requestHead: Head.request('GET', 'a', '/', [
        ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
      ]),
    } as const;
    assert.equal(
      print(
        '%UPSTREAM_REQUEST_ATTEMPT_COUNT% %REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION% ' +
          '%TRAILER(grpc-status)% %GRPC_STATUS_NUMBER% %DOWNSTREAM_PEER_URI_SAN% %TRACE_ID% %DYNAMIC_METADATA(a:b)%',
        over,
      ),
      '2 0 11 1 14 14 spiffe://cluster.local/ns/default/sa/bookinfo-productpage 0af7651916cd43dd8448eb211c80319c -',
    );
    // Towards others, it is this proxy's own identity and nobody's certificate.
    assert.equal(print('%DOWNSTREAM_PEER_URI_SAN%', { direction: 'outbound' }), '-');
  });

  it('print the start in any form that strftime has', () => {
    assert.equal(print('%START_TIME(%Y/%m/%dT%H:%M:%S%z %s)%'), '2026/01/31T09:05:07+0000 1769850307');
    assert.equal(print('%START_TIME(%s.%3f %6f %j %e %b %I%p)%'), '1769850307.042 042000 031 31 Jan 09AM');
  });

  it('leave a doubled percent sign alone', () => {
    assert.equal(print('100%% %PROTOCOL%'), '100% HTTP/1.1');
  });

  for (const [format, message] of [
    ['%NOPE%', /unknown operator %NOPE%, at character 1/],
    ['a %REQUEST(X)% b', /unknown operator %REQUEST\(X\)%, at character 3/],
    ['%constructor%', /no operator begins here .*at character 1/],
    ['%REQ%', /%REQ%: this operator needs an argument/],
    ['%PROTOCOL(x)%', /%PROTOCOL\(x\)%: this operator takes no argument/],
    ['%REQ(a?b?c)%', /\(a\?b\?c\) is not the name of a header/],
    ['%REQ(:nope)%', /there is no pseudo-header :nope/],
    ['%START_TIME(%Q)%', /unknown time specifier %Q/],
    ['50% of %PROTOCOL%', /no operator begins here .*at character 3/],
    ['%PROTOCOL', /no operator begins here/],
  ] as const) {
    it(`that are not right are told by name and place: ${format}`, () => {
      assert.throws(
        () => compileFormat(format),
        (error) => error instanceof BadFormat && message.test(error.message),
      );
      assert.throws(() => compileJsonFormat({ key: format }), BadFormat);
    });
  }
});
