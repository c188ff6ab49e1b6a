import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Limits } from '../../../control/access/limits.ts';
import { type ErrorBody, files, type Plane, startDataPlane, virtualService } from '../harness.ts';

describe('limits', () => {
  it('are so many requests of one token at once, then so many a second, and none of another one', () => {
    let now = 0;
    const limits = new Limits({ requestsPerSecond: 10, requestsAtOnce: 20, now: () => now });
    for (let n = 0; n < 20; n++) limits.begin('ci', 0)();
    const late = { status: 429, message: 'ci asks more than 10 times a second; try again in 1 s', retryAfterS: 1 };
    assert.throws(() => limits.begin('ci', 0), late);
    limits.begin('other', 0)();
    now += 100;
    limits.begin('ci', 0)();
    assert.throws(() => limits.begin('ci', 0), late);
    now += 1e6;
    for (let n = 0; n < 20; n++) limits.begin('ci', 0)();
    assert.throws(() => limits.begin('ci', 0), late);
  });

  it('are so many bytes of one token under way; one that is larger goes alone', () => {
    const limits = new Limits({ bytesAtOnce: 100 });
    const first = limits.begin('ci', 60);
    const second = limits.begin('ci', 40);
    assert.throws(() => limits.begin('ci', 1), {
      status: 429,
      message: /^ci sends 100 bytes already, of 100 at a time/,
    });
    first();
    second();
    const large = limits.begin('ci', 1_000);
    assert.throws(() => limits.begin('ci', 1), { status: 429 });
    limits.begin('other', 1)();
    large();
    limits.begin('ci', 1)();
  });

  it('slow down an address that comes with tokens nobody knows, an IPv6 network as one', () => {
    let now = 0;
    const limits = new Limits({ failuresAtOnce: 3, now: () => now });
    for (const address of ['2001:db8::1', '2001:db8:0:0:9::2', '2001:db8:0:0:1:2:3:4']) limits.unknown(address);
    assert.throws(() => limits.unknown('2001:db8::7'), { status: 429, message: /^too many tokens that are not valid/ });
    limits.unknown('2001:db8:0:1::7');
    for (let n = 0; n < 3; n++) limits.unknown(n === 0 ? '10.0.0.1' : '::ffff:10.0.0.1');
    assert.throws(() => limits.unknown('10.0.0.1'), { status: 429 });
    now += 1_000;
    // One that was found after all is none of them.
    for (let n = 0; n < 5; n++) limits.unknown('10.0.0.1')();
  });

  it('know so many clients, and no more', () => {
    const limits = new Limits();
    for (let n = 0; n < 30_000; n++) limits.unknown(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
    assert.equal(limits.size, 10_000);
  });
});

describe('a control plane with limits', () => {
  let plane: Plane;
  before(async () => {
    plane = await startDataPlane({
      limits: { requestsAtOnce: 5, requestsPerSecond: 0.001, failuresAtOnce: 2, failuresPerSecond: 0.001 },
    });
  });
  after(() => plane.stop());

  it('answers 429 and when to come again, but says always whether it is ready', async () => {
    const wrong = { headers: { authorization: 'Bearer wrong' } };
    const failed: number[] = [];
    for (let n = 0; n < 3; n++) failed.push((await plane.call('GET', '/v1/whoami', undefined, wrong)).status);
    assert.deepEqual(failed, [401, 401, 429]);
    // Whoever has a token is not kept out by others of the same address.
    assert.equal((await plane.call('POST', '/v1/apply', files(virtualService('a')))).status, 200);
    for (let n = 0; n < 4; n++) assert.equal((await plane.call('GET', '/v1/whoami')).status, 200);
    const { status, headers, body } = await plane.call<ErrorBody>('GET', '/v1/whoami');
    assert.equal(status, 429);
    assert.match(body.error, /^admin asks more than 0\.001 times a second; try again in \d+ s$/);
    assert.match(String(headers['retry-after']), /^\d+$/);
    for (const path of ['/ready', '/v1/version']) {
      for (let n = 0; n < 10; n++) assert.equal((await plane.call('GET', path, undefined, wrong)).status, 200);
    }
  });
});
