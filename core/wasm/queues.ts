// Shared queues of filters, by (vm id, name). Bounded in queues, entries and bytes. The plugin that registered a queue is
// told once the callback in progress has ended.

import { Status } from './abi.ts';

const MAX_QUEUES = 256;
const MAX_ENTRIES = 4096;
const MAX_BYTES = 1024 * 1024;

interface Queue {
  readonly entries: Uint8Array[];
  bytes: number;
  ready: ((id: number) => void) | null;
}

export class Queues {
  private readonly queues: Queue[] = [];
  private readonly ids = new Map<string, number>();

  /** Id of the queue, from 1 on; 0 when there are too many. `ready` is called when something was put into it. */
  register(vmId: string, name: string, ready: (id: number) => void): number {
    const key = `${vmId}\0${name}`;
    let id = this.ids.get(key);
    if (id === undefined) {
      if (this.queues.length >= MAX_QUEUES) return 0;
      id = this.queues.push({ entries: [], bytes: 0, ready });
      this.ids.set(key, id);
    }
    this.queues[id - 1].ready = ready;
    return id;
  }

  /** Id of a registered queue, or 0. */
  resolve(vmId: string, name: string): number {
    return this.ids.get(`${vmId}\0${name}`) ?? 0;
  }

  /** Ok, or NotFound: no such queue, or no room in it. */
  enqueue(id: number, value: Uint8Array): number {
    const queue = this.queues[id - 1];
    if (queue === undefined) return Status.NotFound;
    if (queue.entries.length >= MAX_ENTRIES || queue.bytes + value.length > MAX_BYTES) return Status.NotFound;
    queue.entries.push(value);
    queue.bytes += value.length;
    const { ready } = queue;
    if (ready !== null) setImmediate(ready, id);
    return Status.Ok;
  }

  /** The oldest value, or a status: NotFound, Empty. */
  dequeue(id: number): Uint8Array | number {
    const queue = this.queues[id - 1];
    if (queue === undefined) return Status.NotFound;
    const value = queue.entries.shift();
    if (value === undefined) return Status.Empty;
    queue.bytes -= value.length;
    return value;
  }
}
