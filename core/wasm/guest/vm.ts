// A virtual machine: the plugins that share one instance of one module, and what happens when that instance dies:
// its open streams go the way of their plugin's strategy, and the next stream finds a fresh instance. Only machines that die again
// and again without serving anybody are given pauses, which grow.

import type { Wants } from '../../exchange/filter.ts';
import type { ForeignFunctions } from '../abi/foreign.ts';
import type { Callback, Callbacks, Context } from './context.ts';
import type { GuestHost } from './host.ts';
import { Instance } from './instance.ts';
import { Plugin, type PluginVm } from './plugin.ts';
import type { PluginSpec } from './spec.ts';
import { DONE_DEADLINE_MS } from './stream.ts';
import { PluginRefused, type RestartReason, restartReason, trapText } from './traps.ts';

const BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 60_000;
/** An instance that lived this long was healthy: the next pause is short again. */
const HEALTHY_MS = 60_000;
/** Deaths in a row of instances that served nobody before there are pauses: two bad requests may follow each other. */
const PATIENCE = 2;
/** So many of them open the breaker: it is tried once in MAX_BACKOFF_MS. */
const CRASH_LOOP = 5;
const PAGE_BYTES = 64 * 1024;
const NO_FUNCTIONS: ForeignFunctions = new Map();

export class Vm implements PluginVm {
  readonly plugins = new Set<Plugin>();
  instance: Instance | null = null;
  restarts = 0;
  private readonly spec: PluginSpec;
  readonly host: GuestHost;
  private readonly emptied: () => void;
  private failures = 0;
  private died: RestartReason = 'trap';
  private startedAt = 0;
  /** Null: it lives, or waits for nobody. */
  private retryAt: number | null = null;
  /** Linked and started, for the day that the present one dies. There is one while deaths are not long ago. */
  private spare: Instance | null = null;
  private spareTimer: NodeJS.Timeout | null = null;
  private retry: NodeJS.Timeout | null = null;

  /** `emptied` is called when the last plugin is gone. The spec gives module and environment; plugins share them. */
  constructor(spec: PluginSpec, host: GuestHost, emptied: () => void) {
    this.spec = spec;
    this.host = host;
    this.emptied = emptied;
  }

  /** A configured plugin. Throws PluginRefused; what runs already is not touched by that. */
  add(spec: PluginSpec): Plugin {
    if (this.plugins.size > 0 && !spec.proven) this.tryOut(spec);
    const plugin = new Plugin(spec, this, wantsOf(spec.module));
    this.enter(plugin);
    return plugin;
  }

  /** A plugin that was let go is needed once more: a request that began before comes to it only now. */
  readmit(plugin: Plugin): void {
    try {
      this.enter(plugin);
    } catch (error) {
      if (!(error instanceof PluginRefused)) throw error;
      this.host.log('error', plugin.name, error.message);
    }
  }

  private enter(plugin: Plugin): void {
    const instance = this.instance ?? this.launch();
    const first = this.instance === null;
    const fell = first && this.retryAt !== null;
    try {
      configure(instance, plugin, first);
    } catch (error) {
      plugin.hush();
      if (!first && !(error instanceof PluginRefused)) this.trapped(instance, plugin, 'proxy_on_configure', error);
      // What runs on in this instance shall not carry the refused root along.
      if (!first) this.call(instance, plugin.root, 'proxy_on_delete', instance.callbacks.delete, plugin.contextId);
      instance.contexts.delete(plugin.contextId);
      plugin.contextId = 0;
      if (first) instance.die();
      else instance.dropCalls(plugin);
      throw error instanceof PluginRefused
        ? error
        : new PluginRefused(`trapped while starting: ${trapText(error, instance)}`);
    }
    if (first) this.install(instance);
    this.plugins.add(plugin);
    if (fell) this.replaced(this.plugins);
    if (first) this.bringBack(instance);
  }

  /** A new plugin has started the machine that was down: those that waited for that come with it. */
  private bringBack(instance: Instance): void {
    for (const plugin of this.plugins) {
      if (plugin.contextId !== 0 || plugin.retired || instance.dead) continue;
      try {
        configure(instance, plugin, false);
      } catch (error) {
        plugin.contextId = 0;
        if (error instanceof PluginRefused) this.host.log('error', plugin.name, error.message);
        else this.trapped(instance, plugin, 'proxy_on_configure', error);
      }
    }
  }

  /** True while it crashes again and again. */
  get broken(): boolean {
    return this.failures >= CRASH_LOOP;
  }

  /** The live instance, started anew if it died and its pause is over; or null. */
  ready(): Instance | null {
    if (this.instance !== null) return this.instance;
    if (this.retryAt !== null && this.host.now() >= this.retryAt) this.restart();
    return this.instance;
  }

  /** Something was thrown out of the guest: it is dropped, and its open streams go their plugins' way. */
  trapped(instance: Instance, plugin: Pick<Plugin, 'name'>, callback: string, error: unknown, running?: Context): void {
    if (instance.dead) return;
    instance.die();
    this.host.log('error', plugin.name, `trapped in ${callback}: ${trapText(error, instance)}`);
    running?.abandon(true);
    const open = [...instance.contexts.values(), ...instance.held];
    // Later: this is somewhere inside another exchange's turn.
    setImmediate(() => open.forEach((context) => void context.abandon(false)));
    if (this.instance !== instance) return;
    this.instance = null;
    this.died = restartReason(error, instance);
    for (const one of this.plugins) {
      one.hush();
      one.contextId = 0;
    }
    this.planRestart(instance.served || this.host.now() - this.startedAt >= HEALTHY_MS);
  }

  /** Calls a guest outside of an exchange's turn. */
  call(instance: Instance, context: Context, name: string, callback: Callback | null, ...parameters: number[]): number {
    if (callback === null || instance.dead) return 0;
    const outer = instance.begin(context);
    let result: number | undefined;
    try {
      result = callback(...parameters);
    } catch (error) {
      this.trapped(instance, context.plugin, name, error);
      return 0;
    }
    instance.end(outer);
    return result ?? 0;
  }

  callRoot(plugin: Plugin, name: string, callback: keyof Callbacks, ...parameters: number[]): void {
    const { instance } = this;
    if (instance === null || plugin.contextId === 0) return;
    this.call(instance, plugin.root, name, instance.callbacks[callback], plugin.contextId, ...parameters);
  }

  /** A plugin without streams leaves: done, and delete once the guest is done with it. */
  remove(plugin: Plugin): void {
    plugin.hush();
    const { instance } = this;
    if (instance === null || plugin.contextId === 0) {
      // Another machine has its place, or nobody: the death is told all the same.
      if (this.retryAt !== null && this.plugins.size === 1) this.host.restarted(plugin.name, this.died);
      this.erase(plugin);
      return;
    }
    const { done } = instance.callbacks;
    const outer = instance.begin(plugin.root);
    let over = true;
    try {
      over = done === null || done(plugin.contextId) !== 0;
    } catch (error) {
      instance.current = null;
      // The last one out may fall: nothing runs there any more.
      if (this.plugins.size > 1) this.trapped(instance, plugin, 'proxy_on_done', error);
      else this.host.log('debug', plugin.name, `trapped in proxy_on_done: ${trapText(error, instance)}`);
      plugin.contextId = 0;
    }
    if (!instance.dead) instance.end(outer);
    if (over) this.erase(plugin);
    else {
      plugin.awaitDone();
      setTimeout(() => plugin.finished(), DONE_DEADLINE_MS).unref();
    }
  }

  erase(plugin: Plugin): void {
    if (!this.plugins.delete(plugin)) return;
    const { instance } = this;
    if (instance !== null && plugin.contextId !== 0) {
      this.callRoot(plugin, 'proxy_on_delete', 'delete');
      instance.contexts.delete(plugin.contextId);
      instance.dropCalls(plugin);
    }
    plugin.contextId = 0;
    if (this.plugins.size > 0) return;
    this.stop();
    this.emptied();
  }

  /** Drops the instance without a word to it. */
  stop(): void {
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
    this.retryAt = null;
    for (const plugin of this.plugins) plugin.hush();
    this.instance?.die();
    this.instance = null;
    this.dropSpare();
  }

  private launch(): Instance {
    try {
      const { module, env, limits, builtin } = this.spec;
      return new Instance(module, this.host, {
        env,
        memoryBytes: limits.memoryPages * PAGE_BYTES,
        fuelPerCallback: limits.fuelPerCallback,
        foreign: builtin === null ? NO_FUNCTIONS : this.host.foreign,
      });
    } catch (error) {
      if (error instanceof PluginRefused) throw error;
      throw new PluginRefused(`does not start: ${trapText(error)}`);
    }
  }

  private install(instance: Instance): void {
    this.instance = instance;
    this.startedAt = this.host.now();
    this.retryAt = null;
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
  }

  /** A configuration is tried on an instance of its own before it may touch the one that serves. */
  private tryOut(spec: PluginSpec): void {
    const trial = new Vm(spec, { ...this.host, trial: true }, () => undefined);
    trial.add(spec);
    trial.stop();
  }

  private planRestart(served: boolean): void {
    this.failures = served ? 0 : this.failures + 1;
    const early = this.failures - (this.died === 'start' ? 0 : PATIENCE);
    const pause = this.broken ? MAX_BACKOFF_MS : early <= 0 ? 0 : BACKOFF_MS * 2 ** (early - 1);
    if (this.failures === CRASH_LOOP) this.report(`crashed ${CRASH_LOOP} times in a row: tried again once a minute`);
    this.retryAt = this.host.now() + pause;
    this.retry = setTimeout(() => this.ready(), pause);
    this.retry.unref();
  }

  private failedToStart(): void {
    this.died = 'start';
    this.planRestart(false);
  }

  private keepSpare(): void {
    if (this.instance === null) return;
    if (this.spareTimer === null) {
      this.spareTimer = setTimeout(() => this.dropSpare(), HEALTHY_MS);
      this.spareTimer.unref();
    } else this.spareTimer.refresh();
    try {
      this.spare ??= this.launch();
    } catch (error) {
      if (!(error instanceof PluginRefused)) throw error;
      this.report(`has no spare: ${error.message}`);
    }
  }

  private dropSpare(): void {
    if (this.spareTimer !== null) clearTimeout(this.spareTimer);
    this.spareTimer = null;
    this.spare?.die();
    this.spare = null;
  }

  /** By its own restart, or by a configuration that came before that. */
  private replaced(plugins: Iterable<Plugin>): void {
    this.restarts++;
    for (const name of new Set(Array.from(plugins, (plugin) => plugin.name))) this.host.restarted(name, this.died);
  }

  private report(message: string): void {
    for (const plugin of this.plugins) this.host.log('error', plugin.name, message);
  }

  private restart(): void {
    const plugins = [...this.plugins].filter((plugin) => !plugin.retired);
    this.retryAt = null;
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
    if (plugins.length === 0) return;
    let instance = this.spare;
    this.spare = null;
    let first = true;
    for (const plugin of plugins) {
      try {
        instance ??= this.launch();
        configure(instance, plugin, first);
        first = false;
      } catch (error) {
        plugin.hush();
        plugin.contextId = 0;
        this.host.log('error', plugin.name, `cannot be started again: ${trapText(error)}`);
        if (!(error instanceof PluginRefused)) {
          for (const one of plugins) one.contextId = 0;
          instance?.die();
          this.failedToStart();
          return;
        }
      }
    }
    if (instance !== null && !first) {
      this.install(instance);
      this.replaced(plugins);
      this.host.log('warning', plugins[0].name, `started again (${this.restarts})`);
      // Somewhere inside a request's turn, which shall not wait for a second one.
      setImmediate(() => this.keepSpare());
      return;
    }
    instance?.die();
    this.failedToStart();
  }
}

/** Gives the plugin a root in this instance: create, start of the machine if it is the first, configure. */
function configure(instance: Instance, plugin: Plugin, first: boolean): void {
  const { callbacks } = instance;
  const { spec } = plugin;
  plugin.contextId = instance.newId();
  const id = plugin.contextId;
  instance.contexts.set(id, plugin.root);
  const outer = instance.begin(plugin.root);
  instance.fuel?.fillToStart();
  instance.lastMessage = '';
  callbacks.contextCreate?.(id, 0);
  if (first) {
    instance.startingVm = true;
    const started = callbacks.vmStart === null || callbacks.vmStart(id, spec.vmConfiguration.length) !== 0;
    instance.startingVm = false;
    if (!started) throw new PluginRefused(`refused to start${because(instance)}`);
  }
  const accepted = callbacks.configure === null || callbacks.configure(id, spec.configuration.length) !== 0;
  instance.end(outer);
  if (!accepted) throw new PluginRefused(`refused its configuration${because(instance)}`);
}

function because(instance: Instance): string {
  instance.output?.flush();
  return instance.lastMessage === '' ? '' : `: ${instance.lastMessage.split('\n', 1)[0]}`;
}

/** The phases that a module has callbacks for. */
export function wantsOf(module: WebAssembly.Module): Wants {
  const has = new Set(WebAssembly.Module.exports(module).map(({ name }) => name));
  const requestBody = has.has('proxy_on_request_body');
  const responseBody = has.has('proxy_on_response_body');
  // Who may change a body is asked at the head, where the length that was announced is given up.
  const requestHead = has.has('proxy_on_request_headers') || requestBody;
  const response = { head: has.has('proxy_on_response_headers') || responseBody, body: responseBody };
  // A filter that only logs has to be entered to hear of the stream at all.
  const onlyLogs = !requestHead && !response.head;
  return { request: { head: requestHead || onlyLogs, body: requestBody }, response };
}
