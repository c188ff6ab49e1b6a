// What a guest prints (fd_write), as entries of the log. Languages print a word at a time: words become a line, and a panic is one
// entry, with the stack that comes behind it. What has no end is written when the callback ends, or the guest.

import type { Guest } from './guest.ts';
import { logOf } from './host-log.ts';

const MOST = 4096;
/** How Go, TinyGo and Rust begin to die. */
const PANIC = /^\n*(?:panic: |fatal error: |runtime: |thread ')/;

export class GuestOutput {
  private readonly guest: Guest;
  private text = '';
  /** The guest's, of a log. */
  private level = 0;

  constructor(guest: Guest) {
    this.guest = guest;
  }

  write(level: number, text: string): void {
    if (level !== this.level) this.flush();
    this.level = level;
    if (this.text.length < MOST) this.text += text;
    const whole = this.text.endsWith('\n') && !PANIC.test(this.text);
    if (whole || (this.text.length >= MOST && !PANIC.test(this.text))) this.flush();
  }

  flush(): void {
    const { text } = this;
    if (text === '') return;
    this.text = '';
    logOf(this.guest, this.level, text.slice(0, MOST).replace(/\n+$/, ''));
  }
}
