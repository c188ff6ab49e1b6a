import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flagBit } from '../../../core/errors.ts';
import type { ExchangeRecord } from '../../../core/exchange/record.ts';
import { conditionOf, printed, programOf } from '../../../core/expression/evaluate.ts';
import { conditionFault, parse, parseCondition, parseValue, valueFault } from '../../../core/expression/parse.ts';
import { Head } from '../../../core/http/head.ts';
import { exchange } from '../telemetry/exchange-record.ts';

const RECORD: Partial<ExchangeRecord> = {
  requestHead: Head.request('GET', 'reviews:9080', '/reviews/0?a=1', [
    ['x', 'one'],
    ['x', 'two'],
    ['user-agent', 'curl/8'],
  ]),
  flags: flagBit('UH') | flagBit('NC'),
  responseCode: 503,
};
const evaluate = (source: string, over: Partial<ExchangeRecord> = RECORD) => programOf(parse(source))(exchange(over));

describe('an expression', () => {
  for (const [source, expected] of [
    ['response.code >= 500', true],
    ['response.code >= 500 && request.method == "POST"', false],
    ['response.code < 400 || request.url_path.startsWith("/reviews")', true],
    ['!(response.code == 503)', false],
    ['!!true', true],
    ["request.headers['x'] == 'one,two'", true],
    ['request.headers.x == r"one,two"', true],
    ["request.headers['X'] == 'one,two'", true],
    ["request.headers['absent'] == 'one'", undefined],
    ["request.headers['absent'] == 'one' || response.code == 503", true],
    ["response.code == 503 || request.headers['absent'] == 'one'", true],
    ["request.headers['absent'] == 'one' && false", false],
    ["!(request.headers['absent'] == 'one')", undefined],
    ['has(request.headers.x) && !has(request.headers.absent)', true],
    ["'x' in request.headers", true],
    ["'absent' in request.headers", false],
    ['request.method in ["GET", "HEAD"]', true],
    ['response.code in [200, 201]', false],
    ['response.code in []', false],
    ['response.flags == 16777218', true],
    ['response.flags != 0', true],
    ['request.host', 'reviews:9080'],
    ['request.path', '/reviews/0?a=1'],
    ['request.url_path', '/reviews/0'],
    ['request.query', 'a=1'],
    ['request.useragent.matches("^curl/[0-9]+$")', true],
    ['matches(request.useragent, "url")', true],
    ['request.useragent.contains("url") && request.host.endsWith("9080")', true],
    ['size(request.method) + 1', 4],
    ['size([1, 2])', 2],
    ['"a" + "\\n\\x41\\u0042"', 'a\nAB'],
    ['7 / 2', 3],
    ['-7 % 4', -3],
    ['7.0 / 2.0', 3.5],
    ['1 / 0', undefined],
    ['1 + 2 * 3 - 4', 3],
    ['(1 + 2) * 3', 9],
    ['0x10 == 16u', true],
    ['1 < 1.5', true],
    ['string(response.code) + "!"', '503!'],
    ['int("12") + int(1.9)', 13],
    ['int("twelve")', undefined],
    ['double("1e3")', 1000],
    ['response.code >= 500 ? "bad" : "good"', 'bad'],
    ["request.duration > duration('10ms')", true],
    ["request.duration > duration('1m')", false],
    ["response.duration >= duration('11ms') && response.backend_latency < duration('1s')", true],
    ['connection.mtls', false],
    ['source.principal', 'cluster.local/ns/default/sa/bookinfo-productpage'],
    ['source.workload.name', 'productpage-v1'],
    ['destination.workload.name + "." + destination.workload.namespace', 'reviews-v2.default'],
    ["destination.labels['version']", 'v2'],
    ["upstream_peer.app == 'reviews' && downstream_peer.labels.app == 'productpage'", true],
    ['upstream.address', '127.1.0.2:9080'],
    ['upstream.port == destination.port', true],
    ['xds.cluster_name.startsWith("outbound|")', true],
    ['xds.listener_direction', 2],
    ['has(upstream.transport_failure_reason)', false],
    ["request.time > timestamp('2026-01-31T09:05:07Z')", true],
    ["request.time < timestamp('2026-01-31T09:05:07+00:00')", false],
    ['xds.virtual_host_name', 'reviews.default.svc.cluster.local:9080'],
    ['upstream.num_endpoints > 2 && upstream.request_attempt_count == 1', true],
    ['has(connection.requested_server_name)', false],
    ["'host' in request.headers && request.headers[':path'] == '/reviews/0?a=1'", true],
  ] as const) {
    it(`${source} is ${JSON.stringify(expected)}`, () => {
      assert.equal(evaluate(source), expected);
    });
  }

  it('holds as a condition only where it is true', () => {
    assert.equal(conditionOf(parseCondition('request.headers.absent == "x"'))(exchange(RECORD)), false);
    assert.equal(conditionOf(parseCondition('request.headers.x == "one,two"'))(exchange(RECORD)), true);
  });

  it('prints as a value what it comes to, and null where that is nothing', () => {
    const print = (source: string) => printed(parseValue(source))(exchange(RECORD));
    assert.equal(print('response.code'), '503');
    assert.equal(print('connection.mtls'), 'false');
    assert.equal(print("duration('250ms')"), '0.25s');
    assert.equal(print('request.headers.absent'), null);
  });
});

describe('a text that is no expression', () => {
  for (const [source, fault] of [
    ['', 'it is empty, at character 1 of the expression'],
    ['response.code >', 'it ends too soon, at character 16 of the expression'],
    ['response.code = 500', '"=" means nothing (equality is ==), at character 15 of the expression'],
    ['response.status >= 500', 'unknown name response.status, at character 1 of the expression'],
    ['true && response.flag == 1', 'unknown name response.flag, at character 9 of the expression'],
    ['method == "GET"', 'unknown name method (is it request.method?), at character 1 of the expression'],
    ['response.code == "500"', '== compares a whole number with a text, at character 15 of the expression'],
    [
      'request.duration > 5',
      "> compares a duration with a whole number: write duration('500ms'), at character 18 of the expression",
    ],
    [
      'response.code',
      'a condition must be true or false, and this is a whole number, at character 1 of the expression',
    ],
    [
      'response.code && true',
      'the left side of && must be true or false, and this is a whole number, at character 1 of the expression',
    ],
    [
      'request.headers[request.method] == "x"',
      'what is looked up in request.headers must be a text in quotes, at character 17 of the expression',
    ],
    [
      'request.method.matches("(")',
      '"(" does not compile as RE2: missing closing ): `(`, at character 24 of the expression',
    ],
    ['request.method.shout() == "x"', 'there is no function shout(), at character 16 of the expression'],
    ['request.method.contains() ', 'contains() has 1 arguments where it takes 2, at character 16 of the expression'],
    ['"x', 'a text begins here and does not end, at character 1 of the expression'],
    ['"\\q" == ""', 'the text has an unknown escape \\q, at character 1 of the expression'],
    ['(true', ') is missing, at character 6 of the expression'],
    ['true)', '")" does not belong here, at character 5 of the expression'],
    ['1 in request.method', 'in looks into a list or a map, not a text, at character 3 of the expression'],
    ['request.method in [1]', 'in looks for a text in a list of int, at character 16 of the expression'],
    ['has(1)', 'has() takes a name: has(request.headers.x), at character 5 of the expression'],
    ['99999999999999999999 == 1', 'the number 99999999999999999999 is too large, at character 1 of the expression'],
    [`${'('.repeat(40)}true${')'.repeat(40)}`, 'it is nested more than 32 deep, at character 33 of the expression'],
    [`"${'x'.repeat(2100)}" == ""`, 'it is longer than 2048 characters, at character 2049 of the expression'],
    ['true'.concat('||true'.repeat(300)), 'it has more than 512 parts, at character 1537 of the expression'],
  ] as const) {
    it(`is told where: ${source.slice(0, 40)}`, () => {
      assert.equal(conditionFault(source), fault);
    });
  }

  it('may be a value and no condition', () => {
    assert.equal(valueFault('request.method'), null);
    assert.equal(valueFault('request.headers'), 'a map is no value, at character 1 of the expression');
  });
});
