// What each kind calls enforced, against what is read of it: by the compile for proxies of all sorts, by the search for their
// listeners and keys, by the control plane's dry run and where it fetches modules. And what it does not, against what is told.

import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { before, suite, test } from 'node:test';
import { WasmPlugins } from '../../../control/wasm-plugins.ts';
import { remoteKeySources } from '../../../core/builtins/authn/authn.ts';
import { isKind } from '../../../core/config/is-kind.ts';
import { KINDS, type KindName } from '../../../core/config/kind-names.ts';
import { MODULE_DIGEST } from '../../../core/config/modules.ts';
import { kindName, type Resource, resourceKey } from '../../../core/config/resource.ts';
import { unenforced } from '../../../core/config/unenforced.ts';
import { chainKinds, wantedPlugins } from '../../../core/snapshot/chain-plan.ts';
import { compileDry, dryRun } from '../../../core/snapshot/dry-run.ts';
import { listenersOf } from '../../../core/snapshot/listeners.ts';
import { policiesIn } from '../../../core/snapshot/policies.ts';
import { MESHES, nodesOf } from './effects/meshes.ts';
import { effectOf, fieldsOf, recorded, valuesIn } from './fields.ts';

const names = Object.keys(KINDS) as KindName[];

suite('what a kind calls enforced', () => {
  /** Fields that something reads, by kind. */
  const read = new Map<string, Set<string>>(names.map((name) => [name, new Set()]));

  before(async () => {
    for (const mesh of MESHES) {
      const state = new Map(mesh.map((resource) => [resourceKey(resource), recording(resource, read)]));
      assert.deepEqual(dryRun(state), []);
      for (const node of nodesOf(mesh)) {
        compileDry(node, state);
        listenersOf(node, state.values(), '127.0.0.1');
        wantedPlugins(policiesIn(state), node, chainKinds(node));
        const policies = [...state.values()].filter((resource) => isKind(resource, 'RequestAuthentication'));
        remoteKeySources(policies, node);
      }
      await resolveModules([...state.values()]);
    }
  });

  for (const name of names) {
    test(`is read of ${name}, and nothing else is`, () => {
      const wrong = [...fieldsOf(KINDS[name].spec)].flatMap(([path, schema]) => {
        // A list or map counts by its field: which of its items are looked at depends on the mesh.
        if (/[\]}]$/.test(path)) return [];
        const effect = effectOf(schema)?.kind ?? 'enforced';
        const is = read.get(name)!.has(path);
        return is === (effect === 'enforced' || effect === 'partial')
          ? []
          : `${effect}, ${is ? '' : 'not '}read: ${path}`;
      });
      assert.deepEqual(wrong, []);
    });
  }
});

suite('what a kind does not call enforced', () => {
  for (const name of names) {
    const { spec, kind } = KINDS[name];
    test(`is told of ${name}, with its place`, () => {
      for (const resource of MESHES.flat().filter((each) => kindName(each) === name)) {
        const told = new Map(unenforced(resource).map(({ message, pointer = '' }) => [whatOf(message), pointer]));
        const wanted = new Map(unenforcedIn(resource).map(({ what, value }) => [what, value]));
        if (effectOf(spec)?.kind === 'none') wanted.set(`kind ${kind} of ${resource.apiVersion}`, resource);
        assert.deepEqual([...told.keys()].sort(), [...wanted.keys()].sort());
        for (const [what, pointer] of told)
          assert.deepEqual(at(resource, pointer), wanted.get(what), `${what} ${pointer}`);
      }
    });
  }

  test('is told of some values and not of others, where only some are enforced', () => {
    const wrong = names.flatMap((name) =>
      [...fieldsOf(KINDS[name].spec)].flatMap(([path, schema]) => {
        const effect = effectOf(schema);
        if (effect === null || effect.kind === 'informative') return [];
        const told = (examples(name).get(path) ?? []).map((value) => effect.unenforced(value) !== null);
        return told.includes(true) && (effect.kind === 'none' || told.includes(false))
          ? []
          : `${name} ${path}: ${told}`;
      }),
    );
    assert.deepEqual(wrong, []);
  });
});

suite('the example of everything', () => {
  for (const name of names) {
    test(`gives each field of ${name}`, () => {
      const values = examples(name);
      const missing = [...fieldsOf(KINDS[name].spec).keys()].filter((path) => !values.has(path));
      assert.deepEqual(missing, []);
    });
  }
});

test('little only informs: people, tools, and whoever runs the workloads', () => {
  const informs = names.flatMap((name) => {
    const { spec } = KINDS[name];
    const fields = [['', spec] as const, ...fieldsOf(spec)];
    return fields.flatMap(([path, schema]) =>
      effectOf(schema)?.kind === 'informative' ? `${name} ${path}`.trim() : [],
    );
  });
  assert.deepEqual(informs, [
    'Deployment',
    'Gateway servers[].port.name',
    'Gateway servers[].name',
    'Namespace',
    'Plugin source',
    'Plugin version',
    'Service ports[].nodePort',
    'ServiceAccount',
    'ServiceRoleBinding roleRef.kind',
    'Sidecar egress[].port.name',
  ]);
});

/** As the schema's fields say it, with the first value that asks for it. */
function unenforcedIn(resource: Resource): { what: string; value: unknown }[] {
  const { spec } = KINDS[kindName(resource) as KindName];
  const fields = fieldsOf(spec);
  const found = new Map<string, unknown>();
  for (const [path, value] of valuesIn(spec, resource.spec)) {
    const field = fields.get(path);
    const what = field === undefined ? null : (effectOf(field)?.unenforced(value) ?? null);
    if (what === null) continue;
    const name = what === '' ? path.slice(path.lastIndexOf('.') + 1) : what;
    if (!found.has(name)) found.set(name, value);
  }
  return [...found].map(([what, value]) => ({ what, value }));
}

function whatOf(message: string): string {
  return /^not enforced yet: (.*) \([^()]*\)$/.exec(message)?.[1] ?? message;
}

function at(resource: Resource, pointer: string): unknown {
  const parts = pointer.split('/').slice(1);
  return parts.reduce<unknown>((value, part) => (value as Record<string, unknown>)[part], resource);
}

/** Of all resources of a kind. */
function examples(name: string): Map<string, unknown[]> {
  const values = new Map<string, unknown[]>();
  for (const resource of MESHES.flat().filter((each) => kindName(each) === name)) {
    for (const [path, value] of valuesIn(KINDS[name as KindName].spec, resource.spec)) {
      values.set(path, [...(values.get(path) ?? []), value]);
    }
  }
  return values;
}

function recording(resource: Resource, read: ReadonlyMap<string, Set<string>>): Resource {
  const name = kindName(resource) as KindName;
  return { ...resource, spec: recorded(KINDS[name].spec, resource.spec, read.get(name)!) };
}

/** As when they are applied: once for the first time, once again. Nothing is fetched from this machine's own addresses. */
async function resolveModules(state: readonly Resource[]): Promise<void> {
  const has = async (): Promise<boolean> => true;
  const modules = { has, put: has } as unknown as ConstructorParameters<typeof WasmPlugins>[0]['modules'];
  const plugins = new WasmPlugins({ modules, allowPrivate: false, secretsDir: tmpdir() });
  const stored = state.map((resource) => {
    const annotations = { [MODULE_DIGEST]: `sha256:${'0'.repeat(64)}` };
    return [resourceKey(resource), { ...resource, metadata: { ...resource.metadata, annotations } }] as const;
  });
  const empty = { revision: 0, resources: new Map() } as unknown as Parameters<WasmPlugins['resolve']>[1];
  await plugins.resolve(state, empty, {}, true);
  await plugins.resolve(state, { ...empty, resources: new Map(stored) }, {}, false);
}
