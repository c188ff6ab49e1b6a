// What a proxy says of a configuration that it refuses: each problem with its resource and the place in it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { suite, test } from 'node:test';
import { digestOf } from '../../../bus/digest.ts';
import type { Problem } from '../../../core/config/resource.ts';
import { until } from '../../until.ts';
import { onBus } from './bus-harness.ts';
import { reverseProxy } from './harness.ts';

suite('a refusal of a proxy names the resource and the place in it', () => {
  test('of every port that is taken, of what does not compile, and of a module that is not there', async (t) => {
    const { start, commit, statuses, upstream } = await onBus(t);
    await commit(reverseProxy(upstream));
    const proxy = await start();
    await proxy.ready;
    const refusal = async (yaml: string): Promise<unknown[]> => {
      const revision = await commit(yaml);
      const own = () => statuses.find((status) => status.revision === revision && !status.ok);
      await until('the nack', () => own() !== undefined);
      return (own()!.problems as Problem[])
        .filter(({ severity }) => severity === 'error')
        .map(({ resource, pointer, message }) => [resource, pointer, message.replace(/[/x]{9,}|\d+/g, '')]);
    };
    const taken = [createServer(), createServer()];
    t.after(() => {
      for (const server of taken) server.close();
    });
    for (const server of taken) await once(server.listen(0, '127.0.0.1'), 'listening');
    const servers = taken.map((server, at) => {
      const { port } = server.address() as AddressInfo;
      return `{port: {number: ${port}, name: http-${at}, protocol: HTTP}, hosts: ['*']}`;
    });
    const inUse = 'Gateway port : ...: is in use by another program';
    assert.deepEqual(
      await refusal(
        `apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: more}\nspec: {selector: {istio: ingressgateway}, servers: [${servers}]}`,
      ),
      [
        ['Gateway/default/more', '/spec/servers/0/port/number', inUse],
        ['Gateway/default/more', '/spec/servers/1/port/number', inUse],
      ],
    );
    for (const server of taken) {
      server.close();
      await once(server, 'close');
    }
    assert.deepEqual(
      await refusal(
        `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: long}\nspec: {rules: [{to: [{operation: {paths: [/${'x'.repeat(70_000)}]}}]}]}`,
      ),
      [
        [
          'AuthorizationPolicy/default/long',
          '/spec',
          "it cannot be compiled for gateways of the namespace default with istio=ingressgateway:  is too many for a filter's configuration: at most ",
        ],
      ],
    );
    await commit(
      'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: long}\nspec: {rules: [{}]}',
    );
    const digest = digestOf(Buffer.from('nowhere'));
    const [[resource, pointer]] = (await refusal(
      `apiVersion: weft.dev/v1\nkind: Plugin\nmetadata: {name: p}\nspec: {digest: "${digest}"}`,
    )) as string[][];
    assert.deepEqual([resource, pointer], ['Plugin/default/p', '/spec/digest']);
  });
});
