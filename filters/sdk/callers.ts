// Which context waits for which call: two arrays, searched from their beginning, since few calls are under way at a time.

export class Callers {
  private calls: usize = 0;
  private contexts: usize = 0;
  private capacity: i32 = 0;
  private waiting: i32 = 0;

  add(id: u32, context: u32): void {
    if (this.waiting == this.capacity) {
      this.capacity = this.capacity == 0 ? 16 : this.capacity << 1;
      this.calls = this.grown(this.calls);
      this.contexts = this.grown(this.contexts);
    }
    store<u32>(this.calls + (<usize>this.waiting << 2), id);
    store<u32>(this.contexts + (<usize>this.waiting << 2), context);
    this.waiting++;
  }

  /** 0: none. */
  of(id: u32): u32 {
    const at = this.find(id);
    return at < 0 ? 0 : load<u32>(this.contexts + (<usize>at << 2));
  }

  /** As `of`; it is forgotten. */
  take(id: u32): u32 {
    const at = this.find(id);
    if (at < 0) return 0;
    const context = load<u32>(this.contexts + (<usize>at << 2));
    const last = <usize>--this.waiting << 2;
    store<u32>(this.calls + (<usize>at << 2), load<u32>(this.calls + last));
    store<u32>(this.contexts + (<usize>at << 2), load<u32>(this.contexts + last));
    return context;
  }

  private find(id: u32): i32 {
    for (let i = 0; i < this.waiting; i++) if (load<u32>(this.calls + (<usize>i << 2)) == id) return i;
    return -1;
  }

  private grown(old: usize): usize {
    const larger = heap.alloc(<usize>this.capacity << 2);
    if (old == 0) return larger;
    memory.copy(larger, old, <usize>this.waiting << 2);
    heap.free(old);
    return larger;
  }
}
