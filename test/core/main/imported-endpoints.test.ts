// A sidecar whose Sidecar comes, goes and narrows while it is called: over a real bus, through real shards.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite, test } from 'node:test';
import { until } from '../../until.ts';
import { onBus } from './bus-harness.ts';
import { get, listen, sidecar } from './harness.ts';

/** Nobody is to be believed dead on a machine that is too busy for his life signs. */
const LEASE_MS = 60_000;

suite('a proxy whose Sidecar changes', () => {
  test('calls a service that it lets in at once, and the others without a gap', async (t) => {
    const { start, commit, commitRaw } = await onBus(t);
    const app = await listen(createServer((_, response) => response.end('ok')));
    t.after(() => app.close());
    const { port } = app.address() as AddressInfo;
    const service = (name: string): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 9080, targetPort: ${port}}]}`;
    const imports = (...hosts: string[]): string => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec: {egress: [{hosts: [${hosts.map((host) => `./${host}.default.svc.cluster.local`).join(', ')}]}]}`;
    await commit([service('a'), service('b'), imports('a', 'b')].join('\n---'));
    const inbound = { inbound: { address: '127.0.0.1', port: 0 } };
    const outbound = { outbound: { address: '127.0.0.1', port: 0 } };
    const servers = ['a', 'b'].map((name) =>
      start({ node: sidecar(name, port), listeners: inbound, leaseTtlMs: LEASE_MS }),
    );
    const client = await start({ node: sidecar('client', 1), listeners: outbound });
    await Promise.all([client.ready, ...servers.map(async (server) => (await server).ready)]);
    const ask = async (name: string): Promise<string> => {
      const { status, body } = await get(`${client.outbound}/`, { headers: { host: `${name}:9080` } });
      return `${status} ${body}`;
    };
    for (const name of ['a', 'b']) await until(`${name} is there`, async () => (await ask(name)) === '200 ok');
    await commit(imports('a'));
    await until('b is left out', async () => /^502 .*does not import it/.test(await ask('b')));
    const [answers, wrong] = [new Set<string>(), new Set<string>()];
    let done = false;
    const calls = (async () => {
      while (!done) {
        answers.add(await ask('b'));
        const other = await ask('a');
        if (other !== '200 ok') wrong.add(other);
      }
    })();
    for (let i = 0; i < 5; i++) {
      await commit(imports('a', 'b'));
      await until('b is called', async () => (await ask('b')) === '200 ok');
      await commit(imports('a'));
      await until('b is not', async () => (await ask('b')).startsWith('502 '));
    }
    await commitRaw([], ['Sidecar/default/default']);
    await until('b is called', async () => (await ask('b')) === '200 ok');
    done = true;
    await calls;
    assert.deepEqual([...wrong], []);
    assert.deepEqual(
      [...answers].filter((answer) => !/^(?:200 ok$|502 .*does not import it)/.test(answer)),
      [],
    );
  });
});
