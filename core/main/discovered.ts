// Who serves what, as the control plane's endpoint log tells it: what changed, and never all of it again. Without NATS, without a
// control plane, and when the log was lost, the last set stays.
import type { Bus, StoredResource, Subscription } from '../../bus/types.ts';
import type { EndpointUpdate } from '../shard/protocol.ts';
import type { Served } from '../workload.ts';
import { readServed } from './endpoints.ts';
import type { Log } from './options.ts';

/** Endpoints that come and go together are told to shards together. */
const GATHER_MS = 10;

export class Discovered {
  private readonly changed = new Map<string, Served | null>();
  private readonly onChange: (update: EndpointUpdate, full: boolean) => void;
  private readonly log: Log;
  private gathering: NodeJS.Timeout | null = null;
  /**
   * Who is not among those that changed is gone: so it is after a whole state, and with what is told first, since who is known of an
   * earlier run is gone where nobody says it any more.
   */
  private full = true;

  /** `full`: who is not among the upserts is gone. */
  constructor(log: Log, onChange: (update: EndpointUpdate, full: boolean) => void) {
    this.log = log;
    this.onChange = onChange;
  }

  /** Resolves when the newest set was told. */
  async follow(bus: Bus): Promise<Subscription> {
    const following = await bus.endpoints.follow(null, {
      commit: ({ upserts, removals }) => this.change(upserts, removals),
      state: ({ revision, resources }) => {
        // A log in which nothing was written yet says nothing of anybody.
        if (revision === 0) return;
        this.full = true;
        this.changed.clear();
        for (const [key, body] of resources) this.changed.set(key, readServed(body));
        this.tellSoon();
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

  private change(upserts: readonly StoredResource[], removals: readonly string[]): void {
    for (const key of removals) this.changed.set(key, null);
    for (const { key, body } of upserts) this.changed.set(key, readServed(body));
    this.tellSoon();
  }

  private tellSoon(): void {
    this.gathering ??= setTimeout(() => this.tell(), GATHER_MS);
  }

  private tell(): void {
    this.close();
    const upserts: (readonly [string, Served])[] = [];
    const removals: string[] = [];
    for (const [key, served] of this.changed) {
      if (served === null) removals.push(key);
      else upserts.push([key, served]);
    }
    this.changed.clear();
    const { full } = this;
    this.full = false;
    this.onChange({ upserts, removals }, full);
  }
}
