// What is said about several documents at once: lists, duplicates, anchors, objects that came over the wire.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeFiles,
  decodeResource,
  decodeResources,
  decodeYaml,
  formatProblem,
} from '../../../core/config/decode.ts';
import type { VirtualServiceSpec } from '../../../core/config/kinds/virtual-service.ts';
import type { Resource } from '../../../core/config/resource.ts';
import { route, TO } from './reviews.ts';

test('tells every problem of every document, and keeps the documents that are sound', () => {
  const text = [
    route(`  - ${TO}\n    timeout: soon\n    retries: {attempts: -1}\n`),
    'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: fine}\n',
    route('  - rote: []\n').replace('name: reviews', 'name: ratings'),
    'a: [\n',
  ].join('---\n');
  const { resources, problems } = decodeYaml(text, 'f.yaml');
  assert.deepEqual(
    resources.map(({ metadata }) => metadata.name),
    ['fine'],
  );
  assert.deepEqual(problems.map(formatProblem), [
    'f.yaml:9:14: error: "soon" is no duration: write 5s, 100ms or 1h30m (/spec/http/0/timeout)',
    'f.yaml:10:25: error: -1 is out of range: 0 to 2147483647 (/spec/http/0/retries/attempts)',
    'f.yaml:23:5: error: unknown field "rote", did you mean "route"? (/spec/http/0/rote)',
    'f.yaml:23:5: error: exactly one of route, redirect, directResponse and delegate has to be given (/spec/http/0)',
    'f.yaml:26:1: error: Flow sequence in block collection must be sufficiently indented and end with a ]',
  ]);
});

test('names both lines of a resource that one change defines twice', () => {
  const account = 'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n';
  const { resources, problems } = decodeFiles([
    { text: account, file: 'one.yaml' },
    { text: `# other\n${account}`, file: 'two.yaml' },
  ]);
  assert.equal(resources.length, 1);
  assert.deepEqual(problems.map(formatProblem), [
    'two.yaml:2:1: error: ServiceAccount/default/a is defined twice, first at one.yaml:1',
  ]);
  const objects = decodeResources([resources[0], resources[0]]);
  assert.deepEqual(objects.problems.map(formatProblem), [
    'ServiceAccount/default/a: error: ServiceAccount/default/a is defined twice, first before',
  ]);
});

test('points into the items of a list', () => {
  const text = 'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ServiceAccount\n  metadata: {nam: a}\n';
  assert.deepEqual(decodeYaml(text, 'f.yaml').problems.map(formatProblem), [
    'f.yaml:6:14: error: unknown field "nam", did you mean "name"? (/items/0/metadata/nam)',
    'f.yaml:6:13: error: name is missing (/items/0/metadata)',
  ]);
});

test('tells a problem of an anchored value where it is written, and merges it into others', () => {
  const document = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [a]
  http:
  - &first
    ${TO}
    timeout: soon
  - <<: *first
    timeout: 1s
`;
  assert.deepEqual(decodeYaml(document, 'f.yaml').problems.map(formatProblem), [
    'f.yaml:9:14: error: "soon" is no duration: write 5s, 100ms or 1h30m (/spec/http/0/timeout)',
  ]);
  const [merged] = decodeYaml(document.replace('soon', '5s')).resources as Resource<VirtualServiceSpec>[];
  assert.deepEqual(
    merged.spec.http?.map(({ timeout, route }) => [timeout, route?.[0].destination.host]),
    [
      ['5s', 'reviews'],
      ['1s', 'reviews'],
    ],
  );
});

test('a problem of an object that came over the wire names the resource', () => {
  const { resource, problems } = decodeResource({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'reviews', namespace: 'shop' },
    spec: { ports: [{ port: 0 }] },
  });
  assert.equal(resource, null);
  assert.deepEqual(problems.map(formatProblem), [
    'Service/shop/reviews: error: 0 is out of range: 1 to 65535 (/spec/ports/0/port)',
  ]);
});
