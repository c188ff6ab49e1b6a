// The code of plugins on its way to the shards: got by digest, checked, rewritten, compiled and tried out before any shard
// hears of it. What is new and does not run refuses its revision; at a proxy's start its fail strategy decides instead.

import type { Problem, Resource } from '../config/resource.ts';
import type { PluginModule } from '../shard/protocol.ts';
import { chainKinds, type WantedPlugin, wantedPlugins } from '../snapshot/chain-plan.ts';
import { policiesIn } from '../snapshot/policies.ts';
import type { TrialThread } from '../threads/trial-thread.ts';
import { configKey, moduleKey } from '../wasm/guest/spec.ts';
import type { CheckedCode, Findings } from '../wasm/trial/trial-task.ts';
import type { Node } from '../workload.ts';
import { digestOf, type ModuleFolder } from './module-folder.ts';
import type { Log } from './options.ts';
import type { Source } from './source.ts';

export interface PluginModulesParts {
  readonly node: Node;
  /** Where bytes come from that are not on this disk; null: nowhere yet. */
  source(): Pick<Source, 'module'> | null;
  readonly folder: ModuleFolder | null;
  readonly trials: TrialThread;
  readonly log: Log;
}

/** What a configuration needs of plugins, before any shard compiles it. */
export interface Prepared {
  /** Everything that shards may be asked to run, beside what they run already. */
  readonly modules: readonly PluginModule[];
  /** Errors refuse the configuration; of a plugin that may be missing it is warned. */
  readonly problems: readonly Problem[];
  /** Plugins that do not run: their place is as their fail strategy says. */
  readonly missing: readonly Missing[];
  /** Some run on threads of their own. */
  readonly isolated: boolean;
}

interface Missing {
  readonly plugin: string;
  readonly reason: string;
  readonly key: string;
}

/** A module in the making, or made. */
interface Code extends CheckedCode {
  readonly digest: string;
  /** Configurations that a trial has accepted. */
  readonly proven: Set<string>;
}

/** The module may be there later. */
export const PLUGIN_MISSING = 'plugin-missing';
const PLUGIN_REFUSED = 'plugin';

export class PluginModules {
  /** Plugins of the running configuration that do not run. */
  missing: readonly Missing[] = [];
  private readonly parts: PluginModulesParts;
  private readonly codes = new Map<string, Code>();

  constructor(parts: PluginModulesParts) {
    this.parts = parts;
  }

  /** All that shards may be told of now. */
  get modules(): PluginModule[] {
    return [...this.codes].map(([key, { module, type }]) => ({ key, module, type }));
  }

  /** `first`: nothing runs yet, so that no plugin may keep the rest from serving. Never rejects. */
  async prepare(resources: ReadonlyMap<string, Resource>, first: boolean): Promise<Prepared> {
    const wanted = this.wanted(resources);
    const groups = Map.groupBy(wanted, ({ config }) => moduleKey(config));
    const results = await Promise.all([...groups].map(([key, plugins]) => this.provide(key, plugins)));
    const failures = results.flat();
    const tolerated = new Set(this.missing.map(({ key }) => key));
    const problems = failures.map(({ problem, wanted: { config } }): Problem => {
      if (!first && !tolerated.has(configKey(config))) return problem;
      const instead =
        config.failStrategy === 'FAIL_OPEN' ? 'requests pass without it' : 'its requests are answered 503';
      return { ...problem, severity: 'warning', message: `${problem.message}; ${instead}` };
    });
    const missing = failures.map(({ problem, wanted: { config } }) => {
      return { plugin: config.name, reason: problem.message, key: configKey(config) };
    });
    const isolated = wanted.some(({ config }) => config.isolation === 'pool');
    return { modules: this.modules, problems, missing, isolated };
  }

  /** The prepared configuration runs in every shard: what it does not need is forgotten. */
  async adopted({ missing }: Prepared, resources: ReadonlyMap<string, Resource>): Promise<void> {
    this.missing = missing;
    const wanted = this.wanted(resources);
    const keys = new Set(wanted.map(({ config }) => moduleKey(config)));
    const configs = new Set(wanted.map(({ config }) => configKey(config)));
    for (const [key, { proven }] of this.codes) {
      if (!keys.has(key)) this.codes.delete(key);
      for (const config of proven) if (!configs.has(config)) proven.delete(config);
    }
    await this.parts.folder?.prune(new Set(wanted.map(({ config }) => config.digest)));
  }

  private wanted(resources: ReadonlyMap<string, Resource>): WantedPlugin[] {
    const { node } = this.parts;
    return wantedPlugins(policiesIn(resources), node, chainKinds(node));
  }

  /** Sees to it that this module is there and accepts these configurations; else why it does not. */
  private async provide(key: string, plugins: readonly WantedPlugin[]): Promise<Failure[]> {
    const known = this.codes.get(key);
    const unproven = plugins.filter(({ config }) => known?.proven.has(configKey(config)) !== true);
    if (known !== undefined && unproven.length === 0) return notAllowed(plugins, known);
    const { digest } = plugins[0].config;
    const code = known?.module ?? (await this.bytes(digest));
    if (typeof code === 'string') return plugins.map((wanted) => failure(wanted, PLUGIN_MISSING, code, MODULE));
    const findings = await this.tryOut(code, unproven);
    const { refusal } = findings;
    if (refusal !== null) return unproven.map((wanted) => failure(wanted, PLUGIN_REFUSED, refusal, MODULE));
    const made = known ?? { ...findings.code!, digest, proven: new Set<string>() };
    this.codes.set(key, made);
    const refused = unproven.flatMap((wanted, i) => {
      const reason = findings.refusals[i];
      if (reason !== null) return failure(wanted, PLUGIN_REFUSED, reason, CONFIG);
      made.proven.add(configKey(wanted.config));
      return [];
    });
    return [...notAllowed(plugins, made), ...refused];
  }

  private async tryOut(code: Uint8Array | WebAssembly.Module, plugins: readonly WantedPlugin[]): Promise<Findings> {
    const { node, trials, log } = this.parts;
    const { digest, limits } = plugins[0].config;
    const started = performance.now();
    const configs = plugins.map(({ config }) => config);
    const findings = await trials.run({ node, code, memoryPages: limits.memoryPages, configs });
    const ms = (performance.now() - started).toFixed(1);
    log('debug', 'plugins', `${digest} was tried with ${configs.length} configurations, ${ms} ms`);
    return findings;
  }

  /** The module's bytes, or why there are none. */
  private async bytes(digest: string): Promise<Uint8Array | string> {
    const { folder, log } = this.parts;
    if (digest === '') return 'its module was never resolved: apply it through a control plane that reaches its URL';
    const kept = await folder?.get(digest);
    if (kept !== undefined && kept !== null) return kept;
    try {
      const source = this.parts.source();
      const bytes = (await source?.module(digest)) ?? null;
      if (bytes === null) return `the module ${digest} is not there`;
      if (digestOf(bytes) !== digest) return `the module ${digest} came with other bytes`;
      await folder?.put(digest, bytes);
      log('info', 'plugins', `${digest} is here, ${bytes.length} bytes`);
      return bytes;
    } catch (error) {
      return `the module ${digest} cannot be had: ${(error as Error).message}`;
    }
  }
}

interface Failure {
  readonly wanted: WantedPlugin;
  readonly problem: Problem;
}

/** Where a Plugin and where a WasmPlugin says what it is about. */
interface Field {
  readonly plugin: string;
  readonly wasmPlugin: string;
}

const MODULE: Field = { plugin: '/spec/digest', wasmPlugin: '/spec/url' };
const CONFIG: Field = { plugin: '/spec/config', wasmPlugin: '/spec/pluginConfig' };
const CAPABILITIES: Field = { plugin: '/spec/capabilities', wasmPlugin: '/spec/url' };

function failure({ use, config }: WantedPlugin, code: string, reason: string, field: Field): Failure {
  // The host's own refusals name the plugin already.
  const start = `plugin ${config.name}: `;
  const message = reason.startsWith(start) ? reason : `${start}${reason}`;
  const { resource } = use;
  const pointer = resource.startsWith('WasmPlugin/') ? field.wasmPlugin : field.plugin;
  return { wanted: { use, config }, problem: { severity: 'error', code, message, resource, pointer } };
}

/** Those that may not do what their module can. */
function notAllowed(plugins: readonly WantedPlugin[], { capabilities }: CheckedCode): Failure[] {
  return plugins.flatMap((wanted) => {
    const allowed = wanted.use.capabilities;
    const beyond = allowed === null ? [] : capabilities.filter((name) => !allowed.includes(name));
    if (beyond.length === 0) return [];
    return failure(wanted, PLUGIN_REFUSED, `wants ${beyond.join(', ')}, which it was not allowed`, CAPABILITIES);
  });
}
