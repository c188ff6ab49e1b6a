// Which kind is meant: by the list of kinds, by a resource, by somebody who types.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findKind, KINDS, kindMeant } from '../../../core/config/kind-names.ts';
import * as LIST from '../../../core/config/kinds.ts';

test('every file of kinds/ is one kind of the list, whose names are nobody else’s', () => {
  const kinds = Object.values(LIST);
  assert.equal(readdirSync(join(import.meta.dirname, '../../../core/config/kinds')).length, kinds.length);
  assert.equal(Object.keys(KINDS).length, kinds.length);
  const short = Object.values(KINDS).flatMap(({ shortNames = [] }) => shortNames);
  assert.equal(new Set(short).size, short.length);
  for (const { name } of kinds) assert.equal(kindMeant(name), name);
});

test('a kind is meant by its name in any case, by its plural, and by its short name', () => {
  for (const [word, name] of [
    ['VirtualService', 'VirtualService'],
    ['virtualservices', 'VirtualService'],
    ['VS', 'VirtualService'],
    ['dr', 'DestinationRule'],
    ['gw', 'Gateway'],
    ['gateways', 'Gateway'],
    ['gtw', 'Gateway.gateway.networking.k8s.io'],
    ['gc', 'GatewayClass'],
    ['gatewayclasses', 'GatewayClass'],
    ['workloadentries', 'WorkloadEntry'],
    ['svc', 'Service'],
    ['ns', 'Namespace'],
  ]) {
    assert.equal(kindMeant(word), name, word);
  }
  assert.equal(kindMeant('virtualservicess'), null);
});

test('a group behind a dot says which of two kinds is meant', () => {
  for (const word of ['gateway', 'Gateways']) {
    assert.equal(kindMeant(`${word}.networking.istio.io`), 'Gateway');
    assert.equal(kindMeant(`${word}.gateway.networking.k8s.io`), 'Gateway.gateway.networking.k8s.io');
  }
  assert.equal(kindMeant('virtualservice.security.istio.io'), null);
  assert.equal(kindMeant('vs.networking.istio.io'), null);
});

test('a resource is of a known kind by its group and version, too', () => {
  assert.equal(findKind('gateway.networking.k8s.io/v1', 'Gateway'), LIST.gatewayApiGateway);
  assert.equal(findKind('networking.istio.io/v1alpha3', 'Gateway'), LIST.gateway);
  assert.equal(findKind('networking.istio.io/v2', 'Gateway'), null);
  assert.equal(findKind('v1', 'Gateway'), null);
});
