// One end of the channel between a shard and a thread for slow filters: what a turn of the event loop has to say goes in one
// message.

import type { MessagePort } from 'node:worker_threads';

export class BatchedPort<Message> {
  private readonly port: MessagePort;
  private batch: Message[] = [];
  private handed: ArrayBuffer[] = [];
  private turn: NodeJS.Immediate | null = null;

  constructor(port: MessagePort) {
    this.port = port;
  }

  post(message: Message): void {
    this.batch.push(message);
    this.turn ??= setImmediate(() => this.flush());
  }

  /** The memory of these bytes goes with the next message that is posted: it is no longer there afterwards. */
  hand(bytes: Uint8Array<ArrayBuffer>): void {
    this.handed.push(bytes.buffer);
  }

  flush(): void {
    if (this.turn === null) return;
    clearImmediate(this.turn);
    this.turn = null;
    const { batch, handed } = this;
    this.batch = [];
    this.handed = [];
    this.port.postMessage(batch, handed);
  }

  /** What was not sent yet is not sent any more. */
  close(): void {
    if (this.turn !== null) clearImmediate(this.turn);
    this.turn = null;
    this.port.close();
  }
}
