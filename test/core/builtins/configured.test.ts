import assert from 'node:assert/strict';
import { test } from 'node:test';
import { corsConfig } from '../../../core/builtins/cors/cors.ts';
import { rateLimitConfig } from '../../../core/builtins/ratelimit/ratelimit.ts';
import { NODE } from '../wasm/harness.ts';

test('a configuration brings its regular expressions, and nobody changes it afterwards', () => {
  const configuration = corsConfig({ allowOrigins: [{ exact: 'https://a.example' }, { regex: 'https://[a-z]+' }] });
  assert.equal(configuration.module, 'cors');
  assert.deepEqual(
    configuration.patterns.map((pattern) => [pattern.matches('https://abc'), pattern.matches('https://abc/')]),
    [[true, false]],
  );
  assert.ok(Object.isFrozen(configuration) && Object.isFrozen(configuration.patterns));
});

test('a module of its own reads the limits where every answer tells of them', () => {
  const moduleOf = (enableXRatelimitHeaders: 'OFF' | 'DRAFT_VERSION_03'): string | undefined => {
    const spec = { limits: [{ name: 'all', requests: 1, per: '1s' }], enableXRatelimitHeaders };
    const metadata = { name: 'p', namespace: 'default' };
    return rateLimitConfig([{ apiVersion: 'weft.dev/v1', kind: 'RateLimitPolicy', metadata, spec }], NODE)?.module;
  };
  assert.equal(moduleOf('OFF'), 'ratelimit');
  assert.equal(moduleOf('DRAFT_VERSION_03'), 'ratelimit-answers');
});
