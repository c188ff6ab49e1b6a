// Who serves what, as the control plane's endpoint log tells it. Without NATS, without a control plane, and when the log was lost,
// the last set stays.
import type { Bus, StoredResource, Subscription } from '../../bus/types.ts';
import type { WorkloadEndpoint } from '../workload.ts';
import { readServed, type Served } from './endpoints.ts';
import type { Log } from './options.ts';

/** Endpoints that come and go together are told to shards together. */
const GATHER_MS = 10;

export class Discovered {
  private readonly served = new Map<string, Served>();
  private readonly onChange: (endpoints: WorkloadEndpoint[], admins: string[]) => void;
  private readonly log: Log;
  private gathering: NodeJS.Timeout | null = null;

  constructor(log: Log, onChange: (endpoints: WorkloadEndpoint[], admins: string[]) => void) {
    this.log = log;
    this.onChange = onChange;
  }

  /** Resolves when the newest set was told. */
  async follow(bus: Bus): Promise<Subscription> {
    const following = await bus.endpoints.follow(null, {
      commit: ({ upserts, removals }) => this.changed(upserts, removals),
      state: ({ revision, resources }) => {
        // A log in which nothing was written yet says nothing of anybody.
        if (revision === 0) return;
        const gone = [...this.served.keys()].filter((key) => !resources.has(key));
        this.changed(
          [...resources].map(([key, body]) => ({ key, body })),
          gone,
        );
      },
      held: (other) => {
        const stay = `the endpoints known so far stay: NATS has lost them (${other?.reason})`;
        this.log(other === null ? 'info' : 'warning', 'bus', other === null ? 'endpoints are followed again' : stay);
      },
    });
    if (this.gathering !== null) this.tell();
    return following;
  }

  close(): void {
    if (this.gathering !== null) clearTimeout(this.gathering);
    this.gathering = null;
  }

  private changed(upserts: readonly StoredResource[], removals: readonly string[]): void {
    for (const key of removals) this.served.delete(key);
    for (const { key, body } of upserts) this.served.set(key, readServed(body));
    this.gathering ??= setTimeout(() => this.tell(), GATHER_MS);
  }

  private tell(): void {
    this.close();
    const all = [...this.served.values()];
    this.onChange(
      all.flatMap(({ endpoints }) => endpoints),
      all.flatMap(({ admin }) => admin ?? []),
    );
  }
}
