// Commands that wait for their answers, by the numbers of their messages: few at a time, for drivers wait as well. Of more than there
// is room for the oldest is forgotten.

const MOST: i32 = 64;

export class Waiting {
  private readonly ids: StaticArray<i32> = new StaticArray<i32>(MOST);
  private readonly commands: StaticArray<i32> = new StaticArray<i32>(MOST);
  private readonly micros: StaticArray<u64> = new StaticArray<u64>(MOST);
  private length: i32 = 0;

  add(id: i32, command: i32, micros: u64): void {
    if (this.length == MOST) this.remove(0);
    const at = this.length++;
    this.ids[at] = id;
    this.commands[at] = command;
    this.micros[at] = micros;
  }

  /** The place of the one that this answers; -1: none. */
  find(id: i32): i32 {
    for (let at = 0; at < this.length; at++) if (this.ids[at] == id) return at;
    return -1;
  }

  commandAt(at: i32): i32 {
    return this.commands[at];
  }

  microsAt(at: i32): u64 {
    return this.micros[at];
  }

  remove(at: i32): void {
    this.length--;
    for (let i = at; i < this.length; i++) {
      this.ids[i] = this.ids[i + 1];
      this.commands[i] = this.commands[i + 1];
      this.micros[i] = this.micros[i + 1];
    }
  }
}
