// What becomes of a mesh, as texts that can be compared: what each proxy compiles, listens on, loads and fetches, and what the
// control plane says of its modules.

import { tmpdir } from 'node:os';
import { WasmPlugins } from '../../../../control/wasm-plugins.ts';
import { remoteKeySources } from '../../../../core/builtins/authn/authn.ts';
import { isKind } from '../../../../core/config/is-kind.ts';
import { MODULE_DIGEST } from '../../../../core/config/modules.ts';
import { type Resource, resourceKey } from '../../../../core/config/resource.ts';
import { chainKinds, wantedPlugins } from '../../../../core/snapshot/chain-plan.ts';
import type { FilterSource } from '../../../../core/snapshot/filters.ts';
import { listenersOf } from '../../../../core/snapshot/listeners.ts';
import { policiesIn } from '../../../../core/snapshot/policies.ts';
import type { Node } from '../../../../core/workload.ts';
import { compilerFor } from '../../snapshot/rig.ts';
import type { Fingerprints } from './fingerprint.ts';
import { nodesOf } from './meshes.ts';

const wants = { request: { head: false, body: false }, response: { head: false, body: false } };
const made = (name: string, configuration: unknown) => ({ name, configuration, wants });

/** Filters that are nothing but what they were configured with. */
const FILTERS = {
  builtin: (name: string, configuration: object) => made(name, configuration),
  plugin: (config: { name: string }) => made(config.name, config),
  network: (config: { name: string }) => made(config.name, config),
  service: (config: { name: string }) => made(config.name, config),
  typeOf: () => 'http',
} as unknown as FilterSource;

export class Outcomes {
  private readonly prints: Fingerprints;
  private readonly known = new WeakMap<readonly Resource[], Map<string, Compiled>>();

  constructor(prints: Fingerprints) {
    this.prints = prints;
  }

  /** Does anybody do otherwise by the one mesh than by the other? */
  async differ(one: readonly Resource[], other: readonly Resource[]): Promise<boolean> {
    // Most differ in what is seen at once; what functions have closed over is asked of the others.
    for (const depth of ['plain', 'closures'] as const) {
      for (const node of nodesOf(one)) {
        if (this.print(this.at(node, one), depth) !== this.print(this.at(node, other), depth)) return true;
      }
    }
    return (await modulesOf(one)) !== (await modulesOf(other));
  }

  private at(node: Node, mesh: readonly Resource[]): Compiled {
    const known = this.known.get(mesh) ?? new Map<string, Compiled>();
    this.known.set(mesh, known);
    const place = `${node.namespace} ${node.id}`;
    const found = known.get(place) ?? {
      made: compiled(node, mesh),
      opaque: objectsIn(mesh),
      plain: null,
      closures: null,
    };
    known.set(place, found);
    return found;
  }

  private print(of: Compiled, depth: 'plain' | 'closures'): string {
    of[depth] ??= this.prints.of(of.made, of.opaque, depth === 'closures');
    return of[depth];
  }
}

/** What one proxy makes of a mesh, and its fingerprints. */
interface Compiled {
  readonly made: unknown;
  readonly opaque: ReadonlySet<object>;
  plain: string | null;
  closures: string | null;
}

function compiled(node: Node, mesh: readonly Resource[]): unknown {
  const resources = new Map(mesh.map((resource) => [resourceKey(resource), fetched(resource)]));
  const policies = mesh.filter((resource) => isKind(resource, 'RequestAuthentication'));
  return [
    compilerFor(node, FILTERS).compile({ resources, endpoints: [] }, 0),
    [...wantedPlugins(policiesIn(resources), node, chainKinds(node))],
    listenersOf(node, mesh, '127.0.0.1'),
    remoteKeySources(policies, node),
  ];
}

/** As a control plane stores it: whoever applied it had the module. */
function fetched(resource: Resource): Resource {
  if (!isKind(resource, 'WasmPlugin')) return resource;
  const annotations = { ...resource.metadata.annotations, [MODULE_DIGEST]: `sha256:${'0'.repeat(64)}` };
  return { ...resource, metadata: { ...resource.metadata, annotations } };
}

/** As when they are applied again. Nothing is fetched from this machine's own addresses. */
async function modulesOf(mesh: readonly Resource[]): Promise<string> {
  if (!mesh.some((resource) => isKind(resource, 'WasmPlugin'))) return '';
  const has = async (): Promise<boolean> => true;
  const modules = { has, put: has } as unknown as ConstructorParameters<typeof WasmPlugins>[0]['modules'];
  const plugins = new WasmPlugins({ modules, allowPrivate: false, secretsDir: tmpdir() });
  const stored = mesh.map((resource) => [resourceKey(resource), fetched(resource)] as const);
  const state = { revision: 0, resources: new Map(stored) } as unknown as Parameters<WasmPlugins['resolve']>[1];
  const { resources, problems } = await plugins.resolve([...mesh], state, {}, false);
  const digests = resources.map(({ metadata }) => metadata.annotations?.[MODULE_DIGEST] ?? '');
  return JSON.stringify([digests, problems.map(({ resource, message }) => `${resource} ${message}`).sort()]);
}

function objectsIn(value: unknown, found = new Set<object>()): Set<object> {
  if (typeof value !== 'object' || value === null) return found;
  found.add(value);
  for (const inner of Object.values(value)) objectsIn(inner, found);
  return found;
}
