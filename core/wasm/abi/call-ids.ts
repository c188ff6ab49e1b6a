// The numbers of the calls that one instance has under way, HTTP and gRPC alike: a guest may keep them in one table.

export class CallIds {
  private last = 0;
  private readonly live = new Set<number>();

  /** One that no call under way has; never 0. */
  take(): number {
    do this.last = (this.last + 1) >>> 0;
    while (this.last === 0 || this.live.has(this.last));
    this.live.add(this.last);
    return this.last;
  }

  give(id: number): void {
    this.live.delete(id);
  }
}
