// The README's walk over two machines as it is printed there, and what becomes of a third one.
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ROOT, type Running } from '../cli/mesh.ts';
import { until } from '../until.ts';
import { type Machine, makeNetwork, type Network, whyNoNetwork } from './network.ts';

/** As long as a proxy that is silent is believed to live. */
const LEASE_MS = 15_000;
const why = await whyNoNetwork();
if (why !== '') console.log(why);

describe('a mesh over machines', { skip: why === '' ? false : why }, () => {
  let network: Network;
  let first: Machine;
  let second: Machine;
  let third: Machine;
  let readme = '';
  const running: Running[] = [];
  const starts = async (machine: Machine, line: string): Promise<Readonly<Record<string, unknown>>> => {
    const one = machine.starts(line);
    running.push(one);
    return one.ready;
  };
  /** Both answers are seen, or one of them only, in six calls. */
  const answers = () => second.gets('http://127.0.0.1:3000', 6);
  /** Asked now and then: each asking is a program, and some of what is waited for takes as long as a lease lives. */
  const inTime = (what: string, check: () => Promise<boolean>) =>
    until(what, async () => (await check()) || (await delay(1_500, false)), LEASE_MS * 3);

  before(async () => {
    readme = await readFile(join(ROOT, 'README.md'), 'utf8');
    network = await makeNetwork(['10.0.0.5', '10.0.0.6', '10.0.0.7']);
    [first, second, third] = network.machines;
    for (const { dir } of network.machines) {
      await mkdir(dir);
      for (const name of ['hello.mjs', 'web.mjs']) await writeFile(join(dir, name), code(readme, name));
    }
  });
  after(async () => {
    await Promise.all(running.map((one) => one.stop()));
    await network?.remove();
  });

  it('is what the README says in six commands', async () => {
    const lines = commands(readme, 'Two machines');
    assert.equal(lines.length, 6);
    const [up, hello, create, join_, web, curl] = lines;
    await starts(first, up);
    await starts(first, hello);
    const { out: token, err, code: failed } = await first.types(create);
    assert.equal(failed, 0, err);
    const joined = await second.types(join_.replace('TOKEN', token.trim()));
    assert.equal(joined.code, 0, joined.err);
    const { address, admin, outbound, inbound } = await starts(second, web);
    assert.equal(address, second.address);
    assert.match(String(inbound), /^http:\/\/10\.0\.0\.6:/);
    for (const own of [admin, outbound]) assert.match(String(own), /^http:\/\/127\./);
    assert.equal(curl, 'curl localhost:3000');
    await inTime('the call crosses', async () => (await second.gets('http://localhost:3000')) === '200 hello from v1');
    // Admin is of its own machine alone.
    const { port } = new URL(String(admin));
    assert.equal(await first.gets(`http://10.0.0.6:${port}/ready`), 'ECONNREFUSED');
    // What operators ask goes over NATS.
    const listeners = await first.types('mesh pc listeners web --json');
    assert.equal(listeners.code, 0, listeners.err);
    assert.ok(listeners.out.includes('10.0.0.6'), listeners.out);
  });

  it('refuses what cannot work there, in one line each', async () => {
    const used = commands(readme, 'Two machines')[3];
    const token = (await first.types('mesh token create --service-account default --ttl 1s')).out.trim();
    const cases: readonly (readonly [Machine, string, RegExp])[] = [
      [third, used.replace('TOKEN', token.slice(0, -3)), /that is no token, or not all of one/],
      [third, used.replace('TOKEN', token.replace('10.0.0.5', '10.0.0.6')), /not reachable at https:\/\/10\.0\.0\.6/],
      [
        second,
        'mesh run --service x --port 4000 --advertise 127.0.0.5 -- true',
        /127\.0\.0\.5 cannot be advertised: on every machine it leads to that machine itself/,
      ],
      [
        second,
        'mesh run --service x --port 4000 --advertise 0.0.0.0 -- true',
        /0\.0\.0\.0 cannot be advertised: it stands for every address/,
      ],
      [
        second,
        'mesh run --service x --port 4000 --advertise 10.0.0.9 -- true',
        /10\.0\.0\.9 cannot be advertised: it is no address of this machine/,
      ],
      [
        second,
        'mesh proxy --service-account bank --ready-timeout 1s',
        /the token is for the service account default in the namespace default/,
      ],
      [second, 'mesh history', /lets machines join and start proxies, and does nothing else/],
      [third, 'mesh up --listen 10.0.0.99', /10\.0\.0\.99 is no address of this machine/],
    ];
    for (const [machine, line, expected] of cases) {
      const { code: status, err } = await machine.types(line);
      assert.notEqual(status, 0, line);
      assert.match(err, expected, line);
    }
    const { err: late } = await third.types(used.replace('TOKEN', token));
    assert.match(late, /the token \w+ is expired, since /);
  });

  it('ends no proxy that is asked from elsewhere, only one whose operator says so', async () => {
    const gateway = second.starts(
      'mesh proxy --namespace default --service-account default --name edge --admin 10.0.0.6:15009',
    );
    running.push(gateway);
    await gateway.ready;
    const quit = 'http://10.0.0.6:15009/quitquitquit';
    for (const from of [first, second]) assert.match(await from.gets(quit, 1, 'POST'), /^403 .*for loopback alone/);
    const { code: status, err } = await first.types('mesh proxy quit edge');
    assert.equal(status, 0, err);
    assert.equal((await gateway.ended).code, 0);
  });

  it('takes a third one, goes on without it, and takes it back with an old state', async () => {
    const { out: token } = await first.types('mesh token create --service-account default');
    assert.equal((await third.types(`mesh join ${token.trim()}`)).code, 0);
    const run = 'mesh run --service hello --version v2 --port 3001 -- node hello.mjs v2';
    const one = third.starts(run);
    await one.ready;
    await inTime('both answer', async () => (await answers()) === '200 hello from v1, 200 hello from v2');
    const apply = async (subset: string): Promise<number> => {
      await writeFile(join(first.dir, 'rule.yaml'), rule(subset));
      const { code: status, out, err } = await first.types('mesh apply -f rule.yaml --wait');
      assert.equal(status, 0, err);
      return Number(/revision (\d+)/.exec(out)?.[1]);
    };
    await apply('v1');
    assert.equal(await answers(), '200 hello from v1');

    await third.link('down');
    const alive = async () => (JSON.parse((await first.types('mesh ps --json')).out) as unknown[]).length;
    await inTime('the third one is out', async () => (await alive()) === 2);
    const newest = await apply('v2');
    // Nobody is left who could.
    assert.match(await second.gets('http://127.0.0.1:3000'), /no healthy upstream/);
    await one.stop('SIGKILL');
    // What it ran serves without a control plane, until the wire is whole.
    const again = third.starts(run);
    running.push(again);
    await again.ready;
    await third.link('up');
    await inTime('it runs the newest', async () => {
      const all = JSON.parse((await first.types('mesh ps --json')).out) as { state: string; revision: number }[];
      return all.length === 3 && all.every(({ state, revision }) => state === 'SYNCED' && revision === newest);
    });
    await inTime('it serves', async () => (await answers()) === '200 hello from v2');
  });
});

/** The lines of the shell blocks of a section, without what is said about them. */
function commands(text: string, section: string): string[] {
  const body = text.split(`\n## ${section}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...body.matchAll(/```\n([^`]+)```/g)].flatMap(([, block]) =>
    block
      .split('\n')
      .map((line) => line.replace(/ +#.*/, '').trim())
      .filter((line) => line !== ''),
  );
}

/** A program of the README's first walk. */
function code(text: string, name: string): string {
  return text
    .split(`// ${name}`)[1]
    .split('```')[0]
    .split('\n// ')[0]
    .replace(/^[^\n]*\n/, '');
}

function rule(subset: string): string {
  return `apiVersion: v1
kind: Service
metadata: { name: hello }
spec: { selector: { app: hello }, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: hello }
spec:
  host: hello
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: hello }
spec:
  hosts: [hello]
  http: [{ route: [{ destination: { host: hello, subset: ${subset} } }] }]
`;
}
