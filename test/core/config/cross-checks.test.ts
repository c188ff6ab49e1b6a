// Checks by difference: after any changes they say what checks of everything say.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrossChecks, identity } from '../../../core/config/cross-checks.ts';
import type { Problem, Resource } from '../../../core/config/resource.ts';
import { KINDS, pick, resourceText, seeded } from '../../fuzz/history-resources.ts';
import { resources } from '../snapshot/rig.ts';

const REGISTERED = ['a.default.svc.cluster.local', 'b.shop.svc.cluster.local', 'gone.default.svc.cluster.local'];
/** What the sequences of a proxy do not have: services with ports, patterns, Gateways that share a port. */
const MORE = [
  (name: string, n: number) => service(name, n),
  (name: string, n: number) => entry(name, n),
  (name: string, n: number) => gateway(name, n),
  (name: string, n: number) => chain(name, n),
];

const said = (problems: Iterable<Problem>): string[] => [...new Set([...problems].map(identity))].sort();

test('after random changes the checks say what they say of the whole', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seeded(seed);
    const checks = new CrossChecks();
    const registered = new Set<string>();
    for (let step = 0; step < 25; step++) {
      const changed = new Map<string, Resource | null>();
      const hosts = { here: [] as string[], gone: [] as string[] };
      for (let i = 0; i <= random() * 3; i++) {
        const choice = random();
        const keys = [...checks.resources.keys()];
        if (choice < 0.25 && keys.length > 0) changed.set(pick(random, keys), null);
        else if (choice < 0.35) {
          const host = pick(random, REGISTERED);
          if (hosts.here.includes(host) || hosts.gone.includes(host)) continue;
          if (registered.delete(host)) hosts.gone.push(host);
          else hosts.here.push(host);
        } else if (choice < 0.55) {
          const text = pick(random, MORE)(pick(random, ['a', 'b', 'cors']), Math.floor(random() * 8));
          for (const [key, resource] of resources(text)) changed.set(key, resource);
        } else
          for (const [key, resource] of resources(resourceText(random, pick(random, KINDS))))
            changed.set(key, resource);
      }
      for (const host of hosts.here) registered.add(host);
      const before = new Set(said(checks.all()));
      const { warnings } = checks.change({ resources: changed, hosts });
      const whole = new CrossChecks();
      whole.change({ resources: new Map([...checks.resources].reverse()), hosts: { here: registered, gone: [] } });
      const where = `seed ${seed}, step ${step}`;
      assert.deepEqual(said(checks.all()), said(whole.all()), where);
      const news = said(whole.all()).filter((each) => !before.has(each));
      assert.deepEqual(said(warnings), news, where);
      for (const key of checks.resources.keys()) {
        const about = [...whole.all()].filter(({ resource }) => resource === key);
        assert.deepEqual(said(checks.about(key)), said(about), where);
      }
    }
  }
});

function service(name: string, n: number): string {
  const ports = [{ name: 'http-a', port: 80 }, ...(n % 2 === 0 ? [] : [{ name: 'http-b', port: 81 }])];
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: namespaceOf(n) },
    spec: { ports },
  });
}

function entry(name: string, n: number): string {
  const hosts = [['a.default.svc.cluster.local'], ['*.example'], ['c.example'], ['*.c.example', 'd.example']][n % 4];
  const ports = [{ number: 80 + (n % 3), name: 'http', protocol: 'HTTP' }];
  return networking('ServiceEntry', name, n, { hosts, ports });
}

function gateway(name: string, n: number): string {
  const hosts = [['*'], ['c.example'], ['c.example', 'd.example'], ['shop/*.example']][n % 4];
  const servers = [{ port: { number: 80 + (n % 2), name: 'http', protocol: 'HTTP' }, hosts }];
  return networking('Gateway', name, n, { selector: { istio: n % 3 === 0 ? 'one' : 'two' }, servers });
}

function chain(name: string, n: number): string {
  const insert = n % 2 === 0 ? { insert: [{ filter: 'headers', after: 'fault' }] } : {};
  const spec = { direction: 'outbound', ...insert, routes: [{ route: 'r', filter: 'headers', config: {} }] };
  const metadata = { name, namespace: namespaceOf(n) };
  return JSON.stringify({ apiVersion: 'weft.dev/v1', kind: 'FilterChain', metadata, spec });
}

function networking(kind: string, name: string, n: number, spec: object): string {
  const metadata = { name, namespace: namespaceOf(n) };
  return JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind, metadata, spec });
}

function namespaceOf(n: number): string {
  return n % 3 === 0 ? 'shop' : 'default';
}
