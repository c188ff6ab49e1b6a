import assert from 'node:assert/strict';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { reservePort } from '../../../core/main/ports.ts';
import { until } from '../../until.ts';
import { bench, get, portOf, reverseProxy, virtualService } from './harness.ts';

suite('a proxy that is configured from a folder', () => {
  test('serves what the folder says and is ready then', async (t) => {
    const { write, start, upstream } = await bench(t);
    await write('edge.yaml', reverseProxy(upstream));
    const proxy = await start();
    await proxy.ready;
    assert.deepEqual(await get(`http://127.0.0.1:${portOf(proxy)}/`), { status: 200, body: 'upstream' });
    assert.deepEqual(await get(`${proxy.admin}/ready`), { status: 200, body: 'LIVE\n' });
  });

  test('follows a change of a file, a new file and one that is gone', async (t) => {
    const { dir, write, start, upstream, log } = await bench(t);
    await write('edge.yaml', reverseProxy(upstream));
    const proxy = await start();
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    await write('edge.yaml', reverseProxy(upstream).replace('prefix: /', 'prefix: /only-here'));
    await log.line(/revision 2 runs/);
    assert.equal((await get(url)).status, 404);
    assert.equal((await get(`${url}only-here`)).status, 200);
    await write('more.json', JSON.stringify(directResponse()));
    await log.line(/revision 3 runs: 4 resources of 2 files/);
    await rm(join(dir, 'more.json'));
    await log.line(/revision 4 runs: 3 resources of 1 files/);
  });

  test('a file that is no text is told with its name, and what runs stays', async (t) => {
    const { write, start, upstream, log } = await bench(t);
    await write('edge.yaml', Buffer.from(reverseProxy(upstream), 'utf16le'));
    const proxy = await start();
    await log.line(/revision 1 runs/);
    await write('more.yaml', Buffer.from('# Gr\xfc\xdfe', 'latin1'));
    await log.line(/more\.yaml:1:5: error: a byte that is not UTF-8/);
    await log.line(/refused; revision 1 stays/);
    assert.equal((await get(`http://127.0.0.1:${portOf(proxy)}/`)).status, 200);
  });

  test('follows a folder that Kubernetes mounts from a ConfigMap: each file is read once, a swap of the whole is one change', async (t) => {
    const { dir, start, upstream, log } = await bench(t);
    const mount = async (version: string, text: string): Promise<void> => {
      await mkdir(join(dir, `..${version}`));
      await writeFile(join(dir, `..${version}`, 'edge.yaml'), text);
      await symlink(`..${version}`, join(dir, '..data_tmp'));
      await rename(join(dir, '..data_tmp'), join(dir, '..data'));
    };
    await mount('2026_01', reverseProxy(upstream));
    await symlink('..data/edge.yaml', join(dir, 'edge.yaml'));
    const proxy = await start();
    await log.line(/revision 1 runs: 3 resources of 1 files/);
    await mount('2026_02', reverseProxy(upstream).replace('prefix: /', 'prefix: /second'));
    await log.line(/revision 2 runs: 3 resources of 1 files/);
    assert.equal((await get(`http://127.0.0.1:${portOf(proxy)}/second`)).status, 200);
    await rm(join(dir, '..2026_01'), { recursive: true });
    await mount('2026_03', reverseProxy(upstream).replace('prefix: /', 'prefix: /third'));
    await log.line(/revision 3 runs: 3 resources of 1 files/);
    assert.deepEqual(
      log.all.filter((line) => /refused|error/.test(line)),
      [],
    );
  });

  test('is an HTTP proxy for hosts of the mesh where it listens for clients', async (t) => {
    const { write, start, upstream } = await bench(t);
    await write('edge.yaml', reverseProxy(upstream));
    const proxy = await start({
      listeners: { outbound: { address: '127.0.0.1', port: 0 } },
      outboundPolicy: 'REGISTRY_ONLY',
    });
    const ask = (host: string) => get(`http://127.0.0.1:${portOf(proxy, 'outbound')}/`, { headers: { host } });
    assert.deepEqual(await ask('upstream.example.com'), { status: 200, body: 'upstream' });
    assert.equal((await ask('unknown.example.com')).status, 502);
    assert.equal((await get(`http://127.0.0.1:${portOf(proxy)}/`)).body, 'upstream');
  });

  test('tells at the start and at each change what is not enforced, and opens no port in plain text for which TLS is asked', async (t) => {
    const { write, start, upstream, log } = await bench(t);
    const encrypted = `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: tls, protocol: TLS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: a}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: plain}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: all}
spec: {concurrency: 1}
`;
    await write('edge.yaml', reverseProxy(upstream) + encrypted);
    const proxy = await start();
    await log.line(/port 80 is not opened: TLS is asked for on it/);
    await log.line(/not enforced yet: kind ProxyConfig/);
    assert.deepEqual(
      proxy.listeners.map(({ configuredPort }) => configuredPort),
      [8080],
    );
    log.all.length = 0;
    await write(
      'edge.yaml',
      (reverseProxy(upstream) + encrypted).replace('http:\n', 'http:\n  - delegate: {name: a}\n'),
    );
    await log.line(/revision 2 runs/);
    const told = log.all.filter((line) => /not enforced yet|is not opened/.test(line));
    assert.equal(told.filter((line) => /port 80 is not opened/.test(line)).length, 1);
    assert.equal(told.filter((line) => /delegation to another VirtualService/.test(line)).length, 1);
  });

  test('keeps the old state, whole, while a file is broken, and says where and why', async (t) => {
    const { write, start, upstream, log } = await bench(t);
    await write('edge.yaml', reverseProxy(upstream));
    const proxy = await start();
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    await write('b.yaml', virtualService('/').replace('prefix', 'prefx'));
    assert.match(await log.line(/prefx/), /b\.yaml:\d+:\d+: error: .*prefx/);
    await log.line(/is refused; revision 1 stays/);
    assert.equal((await get(url)).status, 200);
    await write('b.yaml', 'kind: [');
    assert.match(await log.line(/b\.yaml:1:\d+: error/), /b\.yaml:1/);
    assert.equal((await get(url)).status, 200);
    await write('b.yaml', '');
    await until('the folder is accepted again', () => log.all.some((line) => /revision [3-9] runs/.test(line)));
  });

  test('does not start from a folder that is refused: one line says which file, where and why', async (t) => {
    const { write, start } = await bench(t);
    await write('edge.yaml', virtualService('/').replace('destination', 'destnation'));
    await assert.rejects(start(), (error: Error) => {
      assert.match(error.message, /edge\.yaml:10:\d+: error: .*destnation/);
      assert.equal(error.message.includes('\n'), false);
      return true;
    });
  });

  test('does not start from a folder that is not there', async (t) => {
    const { dir, start } = await bench(t);
    await assert.rejects(start({ source: { kind: 'files', dir: join(dir, 'none') } }), /ENOENT.*none/);
  });

  test('opens and closes listeners as Gateways come and go', async (t) => {
    const { write, start, upstream, log } = await bench(t);
    await write('edge.yaml', reverseProxy(upstream));
    const proxy = await start();
    const before = portOf(proxy);
    await write('edge.yaml', reverseProxy(upstream, 80));
    await log.line(/revision 2 runs/);
    const after = proxy.listeners[0];
    assert.equal(after.configuredPort, 80);
    assert.equal((await get(`http://127.0.0.1:${after.port}/`)).status, 200);
    await until('the old port is closed', () =>
      get(`http://127.0.0.1:${before}/`).then(
        () => false,
        () => true,
      ),
    );
  });

  test('moves a listener to another address of the same port, and back, at once', async (t) => {
    for (const shards of [1, 2]) {
      const { write, start, upstream, log } = await bench(t);
      const on = (bind: string) => reverseProxy(upstream).replace('  - port:', `  - bind: ${bind}\n    port:`);
      await write('edge.yaml', on('127.0.0.1'));
      const port = await freePort();
      const proxy = await start({ shards, gatewayPorts: { 8080: port } });
      for (const [revision, address] of [
        [2, '0.0.0.0'],
        [3, '127.0.0.1'],
      ] as const) {
        await write('edge.yaml', on(address));
        await log.line(new RegExp(`revision ${revision} runs`));
        assert.deepEqual([proxy.listeners[0].address, proxy.listeners[0].port], [address, port]);
        assert.equal((await get(`http://127.0.0.1:${port}/`)).status, 200);
      }
    }
  });
});

function directResponse(): unknown {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'teapot' },
    spec: { hosts: ['teapot.example.com'], http: [{ directResponse: { status: 418 } }] },
  };
}

function freePort(): Promise<number> {
  return reservePort({ address: '127.0.0.1', port: 0 }, 'test');
}
