// One shard: the Piscina task that is a whole data plane on its own event loop. It answers its port, beats its heart into
// shared memory and never settles while it serves; whatever it throws ends it, and the main thread starts it again.

import { FetchedKeys } from '../builtins/authn/fetched-keys.ts';
import type { Problem, Resource } from '../config/resource.ts';
import { inSlices, type Steps } from '../steps.ts';
import { ShardTelemetry } from '../telemetry/shard-telemetry.ts';
import { HEARTBEAT_MS, Pulse } from '../threads/pulse.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';
import { createDataPlane, type DataPlane } from './data-plane.ts';
import type { FromShard, ShardStart, ToShard } from './protocol.ts';
import { giveBackSpareHeap } from './spare-heap.ts';

/** How long the sockets of a closed data plane may take to say so. */
const CUT_OFF_MS = 20;

export default function shard(start: ShardStart): Promise<void> {
  return new Promise((resolve) => {
    new ServingShard(start, resolve);
  });
}

class ServingShard {
  private readonly plane: DataPlane;
  private readonly start: ShardStart;
  private readonly telemetry: ShardTelemetry;
  private readonly keys = new FetchedKeys((source) => this.post({ type: 'keys-missing', source }));
  private readonly heartbeat: NodeJS.Timeout;
  /** Resources of the next configuration. */
  private gathered: Resource[] = [];
  private closed = false;

  constructor(start: ShardStart, ended: () => void) {
    this.start = start;
    const { port, index, node, options, modules, shared, filterThreads } = start;
    const pulse = new Pulse(start.pulse, index);
    this.heartbeat = setInterval(() => pulse.beat(), HEARTBEAT_MS);
    this.telemetry = new ShardTelemetry(start, (message) => this.post(message));
    this.plane = createDataPlane({
      node,
      shard: index,
      options,
      modules,
      shared,
      keys: this.keys,
      sink: this.telemetry,
      filterThreads: {
        threads: filterThreads,
        connect: (thread, end) =>
          port.postMessage({ type: 'filter-thread', thread, port: end } satisfies FromShard, [end]),
      },
      log: (level, component, message) => this.telemetry.log(level, component, message),
      pluginRestarted: (plugin, reason) => this.post({ type: 'plugin-restarted', plugin, reason }),
    });
    this.listen();
    const stopGivingBack = giveBackSpareHeap();
    port.on('close', () => {
      this.closed = true;
      clearInterval(this.heartbeat);
      stopGivingBack();
      this.plane.close();
      this.telemetry.close();
      ended();
    });
  }

  /**
   * Messages are read and answered one after the other, each in a turn of its own: without a listener the port stands still, so that
   * not all that wait take the time of requests in one go.
   */
  private listen(): void {
    const { port } = this.start;
    port.once('message', async (message: ToShard) => {
      await this.receive(message);
      if (!this.closed) setImmediate(() => this.listen());
    });
  }

  private post(message: FromShard): void {
    this.start.port.postMessage(message);
  }

  private async receive(message: ToShard): Promise<void> {
    switch (message.type) {
      case 'config':
        return this.configure(message);
      case 'resources':
        this.gathered.push(...message.upserts);
        return;
      case 'endpoints':
        await this.work(this.plane.changeEndpoints(message.update));
        return;
      case 'keys':
        return this.keys.learn(message.source, message.keys);
      case 'identity':
        return this.plane.setIdentity(message.identity);
      case 'credential':
        return this.plane.setCredential(message.name, message.credential);
      case 'modules':
        return this.plane.setModules(message.modules);
      case 'log-level':
        this.telemetry.logLevel = message.level;
        return this.plane.setLogLevel(message.level);
      case 'query':
        return this.post({ type: 'answer', id: message.id, value: this.plane.dump(message.what) });
      case 'drain':
        // Not awaited by later messages: a draining shard still learns of endpoints.
        void this.plane.drain().then(() => {
          this.telemetry.flush();
          this.post({ type: 'drained' });
        });
        return;
      case 'close':
        this.plane.close();
        // Sockets tell of their end on a later turn, and exchanges end with them.
        setTimeout(() => {
          this.telemetry.flush();
          this.post({ type: 'drained' });
        }, CUT_OFF_MS);
    }
  }

  private async configure({ update, listeners }: ToShard & { type: 'config' }): Promise<void> {
    const started = performance.now();
    const upserts = this.gathered.length === 0 ? update.upserts : [...this.gathered, ...update.upserts];
    this.gathered = [];
    const applied = await this.work(this.plane.applyConfig({ ...update, upserts }));
    if (applied === null) return;
    const { ok, problems } = applied;
    const unbound = ok ? await this.open(listeners) : [];
    this.post({
      type: 'applied',
      revision: update.revision,
      ok: ok && unbound.length === 0,
      problems: [...problems, ...unbound],
      ms: performance.now() - started,
    });
  }

  private work<Result>(steps: Steps<Result>): Promise<Result | null> {
    return inSlices(steps, () => this.closed);
  }

  private async open(listeners: readonly ListenerSpec[]): Promise<Problem[]> {
    try {
      await this.plane.listen(listeners);
      return [];
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return [{ severity: 'error', code: 'listener', message }];
    }
  }
}
