// A proxy's bench whose configuration comes over a real NATS, with the other side of the bus at hand.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Bus, Lease, ProxyStatus } from '../../../bus/types.ts';
import { startAuthority } from '../../../control/authority/authority.ts';
import { Discovery } from '../../../control/discovery.ts';
import { decodeYaml } from '../../../core/config/decode.ts';
import { resourceKey } from '../../../core/config/resource.ts';
import { type Mesh, startMesh } from '../../bus/harness.ts';
import { type Bench, bench, GATEWAY } from './harness.ts';

export interface OnBus extends Bench {
  readonly mesh: Mesh;
  readonly control: Bus;
  readonly statuses: readonly ProxyStatus[];
  readonly leases: () => ReadonlyMap<string, Lease>;
  /** Applies YAML as the control plane would; its revision. */
  commit(yaml: string): Promise<number>;
  commitRaw(upserts: readonly (readonly [string, unknown])[], removals?: readonly string[]): Promise<number>;
}

export async function onBus(t: TestContext): Promise<OnBus> {
  const mesh = await startMesh();
  // Registered first, run last: proxies leave before the server goes.
  const ends: (() => Promise<void>)[] = [];
  const alone = await bench(t);
  t.after(async () => {
    for (const end of ends) await end();
    await mesh.stop();
  });
  const control: Bus = await mesh.open('control');
  await startAuthority({ bus: control.certificates, dir: join(mesh.stateDir, 'authority') });
  const statuses: ProxyStatus[] = [];
  let leases: ReadonlyMap<string, Lease> = new Map();
  const discovery = await Discovery.start({ bus: control });
  const following = [
    discovery,
    await control.statuses.follow((status) => statuses.push(status)),
    await control.leases.follow((current) => {
      leases = current;
      discovery.lived(current);
    }),
  ];
  ends.push(async () => {
    for (const each of following) await each.close();
  });
  const commitRaw: OnBus['commitRaw'] = async (upserts, removals = []) => {
    const { revision: parent } = await control.config.load();
    const { revision } = await control.config.commit({
      parent,
      author: 'test',
      message: '',
      upserts: upserts.map(([key, body]) => ({ key, body })),
      removals,
    });
    return revision;
  };
  return {
    ...alone,
    mesh,
    control,
    statuses,
    leases: () => leases,
    commitRaw,
    commit: (yaml) => {
      const { resources, problems } = decodeYaml(yaml);
      assert.deepEqual(problems, []);
      return commitRaw(resources.map((resource) => [resourceKey(resource), resource]));
    },
    start: (options) => {
      const { node = GATEWAY } = options ?? {};
      return alone.start({
        source: {
          kind: 'bus',
          bus: {
            servers: [mesh.server.url],
            name: 'proxy',
            ...mesh.server.credentials.proxy,
            user: mesh.user(node.id, node),
          },
        },
        leaseTtlMs: 3_000,
        ...options,
      });
    },
  };
}
