import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hostPort, splitHostPort, withoutBrackets } from '../../core/host-port.ts';

const WRITTEN = [
  ['reviews.default.svc.cluster.local', 9080, 'reviews.default.svc.cluster.local:9080'],
  ['127.1.0.2', 80, '127.1.0.2:80'],
  ['::1', 9080, '[::1]:9080'],
  ['fe80::1%eth0', 1, '[fe80::1%eth0]:1'],
  ['::ffff:10.0.0.5', 65535, '[::ffff:10.0.0.5]:65535'],
] as const;

for (const [host, port, text] of WRITTEN) {
  test(`${host} and ${port} are ${text}, and back`, () => {
    assert.equal(hostPort(host, port), text);
    assert.deepEqual(splitHostPort(text), { host, port });
  });
}

test('an IPv6 address that has its brackets already gets no second pair', () => {
  assert.equal(hostPort('[::1]', 80), '[::1]:80');
  assert.equal(withoutBrackets('[::1]'), '::1');
  assert.equal(withoutBrackets('reviews'), 'reviews');
});
