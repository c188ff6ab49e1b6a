import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, get, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, suite, test } from 'node:test';
import { eventually } from '../until.ts';
import { edgeBefore } from './edge.ts';
import { mesh, Running, temporaryHome } from './mesh.ts';

const { home, remove } = temporaryHome();

const edge = (port: number, status: number): string =>
  edgeBefore(port, `match: [{ uri: { exact: /direct } }]\n      directResponse: { status: ${status} }`);

suite('mesh proxy', { timeout: 90_000 }, () => {
  const upstream = createServer((request, response) => response.end(`upstream saw ${request.url}`));
  let upstreamPort = 0;
  const rules = join(home, 'rules');
  const write = (content: string) => {
    writeFileSync(join(home, 'edge.new'), content);
    renameSync(join(home, 'edge.new'), join(rules, 'edge.yaml'));
  };

  before(async () => {
    mkdirSync(rules);
    upstream.listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    upstreamPort = (upstream.address() as AddressInfo).port;
  });
  after(() => {
    upstream.closeAllConnections();
    upstream.close();
    remove();
  });

  test('--config serves what a folder says, follows its changes, keeps the old when they are broken', async () => {
    write(edge(upstreamPort, 418));
    const proxy = new Running(['proxy', '--config', rules, '--shards', '2', '--gateway-port', '80=0'], { home });
    const { listeners, admin } = (await proxy.ready) as { listeners: { kind: string; port: number }[]; admin: string };
    const { port } = listeners.find(({ kind }) => kind === 'gateway')!;
    assert.equal(await body(port, '/plain'), '200 upstream saw /plain');
    assert.equal(await body(port, '/direct'), '418 ');
    const table = await mesh(['proxy-config', 'listeners', admin]);
    assert.match(table.out, new RegExp(`^127\\.0\\.0\\.1 +${port} +Gateway port 80 +gateway: by Gateway$`, 'm'));
    assert.match((await mesh(['pc', 'routes', admin])).out, /^80 .* edge\.istio-system +/m);

    write(edge(upstreamPort, 451));
    await eventually(async () => assert.equal(await body(port, '/direct'), '451 '));
    write(edge(upstreamPort, 200).replace('directResponse', 'directResponze'));
    await eventually(async () => assert.match(proxy.err, /directResponze/));
    assert.equal(await body(port, '/direct'), '451 ');
    assert.deepEqual(await proxy.stop('SIGTERM'), { code: 0, signal: null });
    assert.match(proxy.out, /"GET \/plain HTTP\/1\.1" 200/, 'the access log goes to standard output');
  });

  test('a folder that does not decode is refused with file, line and reason, and exit code 3', async () => {
    const broken = join(home, 'broken');
    mkdirSync(broken);
    writeFileSync(join(broken, 'edge.yaml'), edge(upstreamPort, 200).replace('hosts: [upstream', 'hostz: [upstream'));
    const { code, err } = await mesh(['proxy', '--config', broken, '--gateway-port', '80=0'], { home });
    assert.equal(code, 3);
    assert.match(err, /edge\.yaml:\d+:\d+.*hostz/);
    assert.match(err, /^mesh: [^\n]+\n$/m);
  });

  test('a folder that is not there, and a port that is taken, are one line each', async () => {
    const missing = await mesh(['proxy', '--config', join(home, 'nowhere')], { home });
    assert.match(missing.err, /^mesh: .*nowhere[^\n]*\n$/m);
    assert.notEqual(missing.code, 0);
    write(edge(upstreamPort, 418));
    const taken = createTcpServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const { code, err } = await mesh(['proxy', '--config', rules, '--gateway-port', `80=${port}`], { home });
    taken.close();
    assert.match(err, new RegExp(`mesh: .*127\\.0\\.0\\.1:${port} is in use`));
    assert.notEqual(code, 0);
  });
});

async function body(port: number, path: string): Promise<string> {
  const [response] = (await once(get({ host: '127.0.0.1', port, path, agent: false }), 'response')) as [
    IncomingMessage,
  ];
  return `${response.statusCode} ${await text(response)}`;
}
