// One shard: the Piscina task that is a whole data plane on its own event loop. It answers its port, beats its heart into
// shared memory and never settles while it serves; whatever it throws ends it, and the main thread starts it again.

import { FetchedKeys } from '../builtins/authn/fetched-keys.ts';
import type { Problem } from '../config/resource.ts';
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
  /** Messages are answered one after the other, though opening listeners takes turns of the event loop. */
  private work: Promise<void> = Promise.resolve();

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
    port.on('message', (message: ToShard) => {
      this.work = this.work.then(() => this.receive(message));
    });
    const stopGivingBack = giveBackSpareHeap();
    port.on('close', () => {
      clearInterval(this.heartbeat);
      stopGivingBack();
      this.plane.close();
      this.telemetry.close();
      ended();
    });
  }

  private post(message: FromShard): void {
    this.start.port.postMessage(message);
  }

  private async receive(message: ToShard): Promise<void> {
    switch (message.type) {
      case 'config':
        return this.configure(message);
      case 'endpoints':
        return this.plane.setEndpoints(message.endpoints, message.admins);
      case 'keys':
        return this.keys.learn(message.source, message.keys);
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
    const { ok, problems } = this.plane.applyConfig(update);
    const unbound = ok ? await this.listen(listeners) : [];
    this.post({
      type: 'applied',
      revision: update.revision,
      ok: ok && unbound.length === 0,
      problems: [...problems, ...unbound],
      ms: performance.now() - started,
    });
  }

  private async listen(listeners: readonly ListenerSpec[]): Promise<Problem[]> {
    try {
      await this.plane.listen(listeners);
      return [];
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return [{ severity: 'error', code: 'listener', message }];
    }
  }
}
