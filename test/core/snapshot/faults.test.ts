import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dryRun } from '../../../core/snapshot/dry-run.ts';
import { resources } from './rig.ts';

const rule = (headers: object, destination: object = {}): string =>
  JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'a' },
    spec: {
      hosts: ['a.test'],
      http: [{ headers, route: [{ destination: { host: 'b.test' }, headers: destination }] }],
    },
  });

test('a header value with an operator that is unknown is refused with its place', () => {
  const faults = dryRun(
    resources(
      rule({ request: { set: { 'x-a': 'a %NOPE%' } } }, { response: { add: { 'x-b': '100%% %PROTOCOL(a)%' } } }),
    ),
  );
  assert.deepEqual(
    faults.map(({ severity, message, resource, pointer }) => ({ severity, message, resource, pointer })),
    [
      {
        severity: 'error',
        message: 'unknown operator %NOPE%, at character 3 of the format: "%NOPE%"',
        resource: 'VirtualService/default/a',
        pointer: '/spec/http/0/headers/request/set/x-a',
      },
      {
        severity: 'error',
        message: '%PROTOCOL(a)%: this operator takes no argument, at character 7 of the format: "%PROTOCOL(a)%"',
        resource: 'VirtualService/default/a',
        pointer: '/spec/http/0/route/0/headers/response/add/x-b',
      },
    ],
  );
  for (const value of ['%REQ%', '%PROTOCOL(a)%', '%REQ(:nope)%']) {
    assert.equal(dryRun(resources(rule({ response: { set: { x: value } } }))).length, 1, value);
  }
  for (const value of ['', '%%', '%PROTOCOL%%%', '%REQ(x-a?x-b):10%', '%START_TIME(%s)%']) {
    assert.deepEqual(dryRun(resources(rule({ response: { set: { x: value } } }))), [], value);
  }
});
