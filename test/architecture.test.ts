// The shape of the tree: who may import whom, no circles, small files, names and opening comments. The table is the design's.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { before, suite, test } from 'node:test';
import { balancerFiles } from '../scripts/shape/balancer-files.ts';
import { builtinFiles, count } from '../scripts/shape/builtin-files.ts';
import { commandFiles } from '../scripts/shape/command-files.ts';
import { filesByFolder } from '../scripts/shape/folders.ts';
import { circles, longestChain } from '../scripts/shape/graph.ts';
import { type Import, ownImports, ROOT, readTree, type Tree } from '../scripts/shape/imports.ts';
import { kindFiles } from '../scripts/shape/kind-files.ts';

/** Importer -> what it may import, as path prefixes; the first row that fits an importer counts. '*' = anything. */
const MAY_IMPORT: readonly (readonly [string, readonly string[]])[] = [
  ['core/main.ts', ['core/', 'bus/']],
  ['core/main/', ['core/', 'bus/']],
  // The names of the built-ins in their order are constants, and expressions a language: no check of a configuration needs
  // more of either, and none knows what a proxy does with it.
  ['core/builtins/order.ts', []],
  // Policies become bytes, functions of guests and shared memory: nothing of a request's way is needed for that but types.
  [
    'core/builtins/',
    [
      'core/builtins/',
      'core/cluster/cluster.ts',
      'core/config/',
      'core/errors.ts',
      'core/exchange/filter.ts',
      'core/expression/',
      'core/http/',
      'core/telemetry/',
      'core/wasm/abi/',
      'core/wasm/shared/metrics.ts',
      'core/workload.ts',
    ],
  ],
  ['core/config/', ['core/config/', 'core/builtins/order.ts', 'core/expression/', 'core/workload.ts']],
  // The host of filters knows none of ours: what they call by name is injected.
  [
    'core/wasm/',
    [
      'core/wasm/',
      'core/exchange/',
      'core/http/',
      'core/tcp/',
      'core/shard/protocol.ts',
      'core/attributes.ts',
      'core/errors.ts',
      'core/host-port.ts',
      'core/timers.ts',
      'core/workload.ts',
      'filters/sdk/layout.ts',
    ],
  ],
  ['core/', ['core/']],
  ['plugins/', ['plugins/', 'bus/', 'core/config/', 'core/wasm/', 'core/fetch/']],
  [
    'control/',
    [
      'control/',
      'plugins/',
      'bus/',
      'core/config/',
      'core/fetch/',
      'core/snapshot/',
      'core/wasm/',
      'core/errors.ts',
      'core/host-port.ts',
      'core/shard/spare-heap.ts',
    ],
  ],
  ['bus/', ['bus/']],
  ['asbuild/', ['asbuild/', 'core/builtins/order.ts']],
  // Of the core they know the layouts of their configurations, which both compilers read.
  ['filters/', ['filters/', 'core/builtins/']],
  ['examples/', ['examples/']],
  ['cli/', ['cli/', 'core/', 'control/', 'bus/', 'plugins/', 'asbuild/']],
  ['', ['*']],
];
/** Types cost nothing at run time, so these may be named from further away. */
const TYPES_ANYWHERE = ['core/workload.ts', 'bus/types.ts'];
/** Folders that a running mesh loads: only `dependencies`, never `devDependencies`. */
const RUNNING = ['core/', 'plugins/', 'control/', 'bus/', 'cli/'];
/** Packages with one place. */
const ONLY_IN: Readonly<Record<string, readonly string[]>> = {
  nats: ['bus/'],
  '@nats-io/jwt': ['bus/'],
  '@peculiar/x509': ['control/authority/', 'web-certificates.ts'],
  assemblyscript: ['asbuild/'],
};
/** The filter manager is Envoy's name for a thing, and no manager of anything else. */
const HOMELESS = /^(utils?|helpers?|common|misc|managers?|.*[-.](utils?|helpers?)|(?!filter-).*[-.]manager|base|ctx)$/;
const MOST_LINES = 400;
const LIST_OF_BALANCERS = 'core/cluster/balancers/balancers.ts';
/** Read by TypeScript and by AssemblyScript. */
const LAYOUT = /^(core\/builtins\/\w+|filters\/sdk)\/layout\.ts$/;
const MOST_BUILTIN_FILES = 6;
/** In core/, outside of its rooms. */
const MOST_LOOSE_FILES = 10;
/** That stand upon each other when they are loaded. */
const LONGEST_CHAIN = 15;
/** The host of filters, from the top down: what a guest is called by, what runs it, what it calls. A room imports none above it. */
const WASM_ROOMS = ['core/wasm/trial/', 'core/wasm/guest/', 'core/wasm/abi/'];
let sources: Tree['sources'];
let imports: Tree['imports'];

suite('the shape of the tree', () => {
  before(async () => {
    ({ sources, imports } = await readTree());
    assert.ok(imports.length > 100, 'imports were found');
  });

  test('a folder imports only what the table allows', () => {
    const wrong = imports.filter((edge) => edge.own && !isAllowed(edge)).map((edge) => `${edge.from} -> ${edge.to}`);
    assert.deepEqual(wrong, []);
  });

  test('in the host of filters a room imports none above it', () => {
    const floor = (path: string): number => WASM_ROOMS.findIndex((room) => path.startsWith(room));
    const wrong = imports.filter(({ from, to }) => floor(to) >= 0 && floor(to) < floor(from));
    assert.deepEqual(
      wrong.map((edge) => `${edge.from} -> ${edge.to}`),
      [],
    );
  });

  test('every import of a file names one that exists', () => {
    const wrong = imports.filter((edge) => edge.own && !exists(edge.to));
    assert.deepEqual(
      wrong.map((edge) => `${edge.from} -> ${edge.to}`),
      [],
    );
  });

  test('no module is needed to load itself', () => {
    assert.deepEqual(circles(imports.filter((edge) => edge.own && !edge.typeOnly)), []);
  });

  test('no file needs itself to be understood, types and lazy imports included', () => {
    assert.deepEqual(circles(imports.filter((edge) => edge.own)), []);
  });

  test(`at most ${LONGEST_CHAIN} files stand upon each other`, () => {
    const loaded = ownImports({ sources, imports }).filter(({ typeOnly }) => !typeOnly);
    const chain = longestChain(loaded);
    assert.ok(chain.length <= LONGEST_CHAIN, chain.join(' -> '));
  });

  test(`no more than ${MOST_LOOSE_FILES} files lie loose in the core`, () => {
    const [, loose] = filesByFolder({ sources, imports }).find(([folder]) => folder === 'core')!;
    assert.ok(loose.files <= MOST_LOOSE_FILES, `${loose.files} files`);
  });

  test('a new command is its file and a line of the list', () => {
    assert.deepEqual(commandFiles({ sources, imports })[0].slice(1), ['cli/program.ts']);
  });

  test(`a new built-in filter is at most ${MOST_BUILTIN_FILES} files, of which two are outside of its rooms: its place and its name`, () => {
    const [smallest] = builtinFiles({ sources, imports });
    assert.deepEqual(smallest.outside, ['core/builtins/builtins.ts', 'core/builtins/order.ts']);
    assert.ok(count(smallest) <= MOST_BUILTIN_FILES, [...smallest.rooms, ...smallest.outside].join());
  });

  test('a new kind of configuration is its file and a line of the list', () => {
    const [plainest] = kindFiles({ sources, imports });
    assert.deepEqual(plainest.outside, ['core/config/kinds.ts']);
  });

  test('a balancer is its file and a line of the list', () => {
    for (const { name, outside } of balancerFiles({ sources, imports })) {
      assert.deepEqual(outside, [LIST_OF_BALANCERS], name);
    }
  });

  test('a layout that both compilers read is numbers and nothing else, and guests read nothing but layouts', () => {
    const layouts = [...sources].filter(([path]) => LAYOUT.test(path));
    assert.ok(layouts.length > 1);
    for (const [path, text] of layouts) {
      const code = text.replaceAll(/^\/[/*].*$/gm, '').trim();
      assert.match(code, /^(export const [A-Z][A-Z_]* = [0-9a-fx]+;\s*)+$/, path);
    }
    const read = imports.filter(({ from, to }) => from.startsWith('filters/') && to.startsWith('core/'));
    assert.deepEqual(
      read.filter(({ to }) => !to.endsWith('/layout.ts')).map(({ from, to }) => `${from} -> ${to}`),
      [],
    );
  });

  test('only the bus imports nats, only the authority writes certificates, only the build of filters imports their compiler', () => {
    const wrong = imports.filter((edge) => !edge.own && ONLY_IN[packageOf(edge.to)] !== undefined);
    assert.deepEqual(
      wrong
        // A test is of the room that it mirrors.
        .filter(
          (edge) => !ONLY_IN[packageOf(edge.to)].some((room) => edge.from.replace(/^test\//, '').startsWith(room)),
        )
        .map((edge) => `${edge.from} -> ${edge.to}`),
      [],
    );
  });

  test('a running mesh loads no package that only developers have', () => {
    const manifest = json('package.json');
    const wrong = imports.filter(
      (edge) =>
        isLoaded(edge) &&
        !builtinModules.includes(edge.to.replace(/^node:/, '')) &&
        manifest.dependencies[packageOf(edge.to)] === undefined,
    );
    assert.deepEqual(
      wrong.map((edge) => `${edge.from} -> ${edge.to}`),
      [],
    );
  });

  test('a thread of a proxy loads what it runs: shards decode no configuration, the main thread compiles none', () => {
    const shard = loadedWith('core/shard/shard.ts');
    assert.ok(shard.has('core/snapshot/compile.ts') && !shard.has('core/config/decode.ts'));
    assert.deepEqual(
      [...shard].filter((path) => path.startsWith('core/config/kinds')),
      [],
    );
    const main = loadedWith('core/main.ts', 'core/main/file-source.ts', 'core/main/bus-source.ts');
    assert.ok(main.has('core/config/decode.ts') && main.has('core/config/kinds.ts'));
    assert.deepEqual(
      [...main].filter((path) => /^core\/(?:router|exchange|transport|http1)\/|compile/.test(path)),
      [],
    );
  });

  test("a control plane's main thread reads no YAML and compiles nothing: its checks are a thread of their own", () => {
    const main = loadedWith('control/main.ts');
    for (const file of ['core/config/yaml.ts', 'core/config/cross-checks.ts', 'core/snapshot/compile.ts']) {
      assert.ok(!main.has(file), file);
    }
  });

  test('a package that users install is loaded by code that runs at theirs', () => {
    const loaded = new Set(imports.filter(isLoaded).map(({ to }) => packageOf(to)));
    const idle = Object.keys(json('package.json').dependencies).filter((name) => !loaded.has(name));
    assert.deepEqual(idle, []);
  });

  test('a package that developers install is imported, run by a script, or the types of one that is', () => {
    const imported = new Set(imports.filter(({ own }) => !own).map(({ to }) => packageOf(to)));
    const { types } = json('tsconfig.json').compilerOptions;
    const locked: Record<string, { bin?: object }> = json('package-lock.json').packages;
    const scripts = [...sources].filter(([path]) => path.startsWith('scripts/')).map(([, text]) => text);
    const runs = (command: string): boolean => scripts.some((text) => text.includes(`'${command}'`));
    const installed: [string, string][] = Object.entries(json('package.json').devDependencies);
    // One of this tree is what a clone runs on.
    const foreign = installed.filter(([, version]) => !version.startsWith('file:')).map(([name]) => name);
    const idle = foreign.filter((name) => {
      const typed = name.replace(/^@types\//, '');
      const commands = Object.keys(locked[`node_modules/${name}`].bin ?? {});
      return !imported.has(typed) && !types.includes(typed) && !commands.some(runs);
    });
    assert.deepEqual(idle, []);
  });

  test('the lockfile names the packages of every platform, so that npm ci works on each', () => {
    const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const missing = Object.values(packages)
      .flatMap(({ optionalDependencies }) => Object.keys(optionalDependencies ?? {}))
      .filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)));
    assert.deepEqual(missing, []);
  });

  test(`no file is longer than ${MOST_LINES} lines`, () => {
    const long = [...sources].map(([path, text]) => [path, text.split('\n').length - 1] as const);
    assert.deepEqual(
      long.filter(([, lines]) => lines > MOST_LINES).map(([path, lines]) => `${path}: ${lines}`),
      [],
    );
  });

  test('every file that is no test opens with a comment that says what it is', () => {
    const bare = [...sources].filter(
      ([path, text]) => !path.endsWith('.test.ts') && !/^\/\/ \S/.test(text.replace(/^#!.*\n/, '')),
    );
    assert.deepEqual(
      bare.map(([path]) => path),
      [],
    );
  });

  test('no file or folder is named after its having no home', () => {
    const wrong = [...sources.keys()].filter((path) =>
      path.split('/').some((part) => HOMELESS.test(part.replace(/(\.test)?\.m?[jt]s$/, ''))),
    );
    assert.deepEqual(wrong, []);
  });

  test('nothing is left for later, silenced or skipped', () => {
    const anywhere = /\b(TODO|FIXME|XXX)\b|@ts-(ignore|nocheck|expect-error)/;
    const inCode = /\bas any\b|\b(test|it|suite|describe)\.(skip|only|todo)\(|catch( \(\w+\))? \{\s*\}/;
    const wrong = [...sources]
      // AssemblyScript marks its decorators for editors with a @ts-ignore.
      .filter(([path]) => path !== 'test/architecture.test.ts' && !path.startsWith('filters/'))
      .flatMap(([path, text]) => {
        const found = [anywhere.exec(text), inCode.exec(text.replaceAll(/^\s*\/\/.*$/gm, ''))];
        return found.flatMap((match) => (match === null ? [] : [`${path}: ${match[0]}`]));
      });
    assert.deepEqual(wrong, []);
  });
});

function isAllowed({ from, to, typeOnly }: Import): boolean {
  if (typeOnly && TYPES_ANYWHERE.includes(to)) return true;
  const row = MAY_IMPORT.find(([importer]) => from.startsWith(importer));
  return row?.[1].some((target) => target === '*' || to.startsWith(target)) ?? false;
}

/** By a mesh that runs, at once or when it is needed. */
function isLoaded({ from, own, atRunTime }: Import): boolean {
  return !own && atRunTime && RUNNING.some((folder) => from.startsWith(folder));
}

function json(path: string) {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
}

function exists(path: string): boolean {
  return sources.has(path) || !/\.m?[jt]s$/.test(path) || path.endsWith('.d.ts');
}

function packageOf(name: string): string {
  const parts = name.split('/');
  return name.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}

/** What is loaded with these files, lazy imports left out. */
function loadedWith(...files: string[]): ReadonlySet<string> {
  const found = new Set(files);
  for (const path of found) {
    for (const { from, to, own, typeOnly } of imports) if (from === path && own && !typeOnly) found.add(to);
  }
  return found;
}
