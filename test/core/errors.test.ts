import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FLAGS, flagBit, flagNames, longFlagNames } from '../../core/errors.ts';

/** Envoy's CoreResponseFlag, in its order, which numbers them. */
const ENVOY = [
  'FailedLocalHealthCheck',
  'NoHealthyUpstream',
  'UpstreamRequestTimeout',
  'LocalReset',
  'UpstreamRemoteReset',
  'UpstreamConnectionFailure',
  'UpstreamConnectionTermination',
  'UpstreamOverflow',
  'NoRouteFound',
  'DelayInjected',
  'FaultInjected',
  'RateLimited',
  'UnauthorizedExternalService',
  'RateLimitServiceError',
  'DownstreamConnectionTermination',
  'UpstreamRetryLimitExceeded',
  'StreamIdleTimeout',
  'InvalidEnvoyRequestHeaders',
  'DownstreamProtocolError',
  'UpstreamMaxStreamDurationReached',
  'ResponseFromCacheFilter',
  'NoFilterConfigFound',
  'DurationTimeout',
  'UpstreamProtocolError',
  'NoClusterFound',
  'OverloadManagerTerminated',
  'DnsResolutionFailed',
  'DropOverload',
  'DownstreamRemoteReset',
];

test('response flags have the bits that Envoy gives them, and are listed in their order', () => {
  for (const [flag, long, bit] of FLAGS) {
    assert.equal(ENVOY[bit], long);
    assert.equal(flagBit(flag), 2 ** bit);
  }
  assert.deepEqual(
    FLAGS.map(([, , bit]) => bit),
    FLAGS.map(([, , bit]) => bit).toSorted((a, b) => a - b),
  );
});

test('a set of flags is named in short and in long, in the order of the bits', () => {
  const flags = flagBit('DR') | flagBit('URX') | flagBit('UF');
  assert.equal(flagNames(flags), 'UF,URX,DR');
  assert.equal(longFlagNames(flags), 'UpstreamConnectionFailure,UpstreamRetryLimitExceeded,DownstreamRemoteReset');
  assert.deepEqual([flagNames(0), longFlagNames(0)], ['-', '-']);
});
