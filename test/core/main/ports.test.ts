import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { canSharePorts, PortUnavailable, reservePort } from '../../../core/main/ports.ts';
import { bench, get, portOf, reverseProxy } from './harness.ts';

suite('ports', () => {
  test('a free one is proven and released, any free one is learnt', async () => {
    const port = await reservePort({ address: '127.0.0.1', port: 0 }, 'listener inbound');
    assert.ok(port > 0);
    assert.equal(await reservePort({ address: '127.0.0.1', port }, 'listener inbound'), port);
  });

  test('any free one is none that the system gives to outgoing connections, which could take it before shards listen', {
    skip: process.platform !== 'linux',
  }, async () => {
    const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/).map(Number);
    for (let n = 0; n < 20; n++) {
      const port = await reservePort({ address: '127.0.0.1', port: 0 }, 'listener inbound');
      assert.ok(port < first || port > last, `${port} is between ${first} and ${last}`);
    }
  });

  test('one that another process has proven is in use, before it listens there', {
    skip: process.platform !== 'linux',
  }, async (t) => {
    const ports = new URL('../../../core/main/ports.ts', import.meta.url).href;
    const program = `import { reservePort } from '${ports}';
console.log(await reservePort({ address: '127.0.0.1', port: 0 }, 'other'));
setInterval(() => {}, 1000);`;
    const other = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => other.kill());
    const [said] = await once(other.stdout, 'data');
    const address = { address: '127.0.0.1', port: Number(said) };
    await assert.rejects(reservePort(address, 'listener gateway'), /is in use by another program$/);
    other.kill();
    await once(other, 'exit');
    assert.equal(await reservePort(address, 'listener gateway'), address.port);
  });

  test('one that a stranger shares by SO_REUSEPORT is in use', async (t) => {
    if (!(await canSharePorts())) return;
    const port = await taken(t, true);
    await assert.rejects(reservePort({ address: '127.0.0.1', port }, 'listener inbound'), (error: Error) => {
      assert.ok(error instanceof PortUnavailable);
      assert.equal(error.message, `listener inbound: 127.0.0.1:${port} is in use by another program`);
      return true;
    });
  });

  test('an address that this machine has not is called that', async () => {
    await assert.rejects(
      reservePort({ address: '192.0.2.1', port: 0 }, 'admin'),
      /192\.0\.2\.1:0 is no address of this/,
    );
  });

  for (const reusePort of [false, true]) {
    const how = reusePort ? 'shared by a stranger' : 'in use';
    test(`a proxy does not start when its inbound, admin or gateway port is ${how}`, async (t) => {
      const { write, start, upstream } = await bench(t);
      await write('edge.yaml', reverseProxy(upstream));
      const address = { address: '127.0.0.1', port: await taken(t, reusePort) };
      const inUse = new RegExp(`127\\.0\\.0\\.1:${address.port} is in use by another program`);
      await assert.rejects(start({ listeners: { inbound: address } }), inUse);
      await assert.rejects(start({ admin: address }), inUse);
      await assert.rejects(start({ gatewayPorts: { 8080: address.port } }), inUse);
    });
  }

  test('a Gateway that wants a taken port is refused while the proxy runs, and what ran runs on', async (t) => {
    const { write, start, upstream, log } = await bench(t);
    await write('edge.yaml', reverseProxy(upstream));
    const port = await taken(t, true);
    const proxy = await start({ shards: 2, gatewayPorts: { 8080: 0, 9090: port } });
    await write('edge.yaml', reverseProxy(upstream, 9090));
    assert.match(await log.line(/in use/), new RegExp(`Gateway port 9090: 127\\.0\\.0\\.1:${port} is in use`));
    await log.line(/revision 1 stays/);
    assert.equal((await get(`http://127.0.0.1:${portOf(proxy)}/`)).status, 200);
  });
});

async function taken(t: TestContext, reusePort: boolean): Promise<number> {
  const server: Server = createServer();
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0, reusePort }, resolve));
  return (server.address() as AddressInfo).port;
}
