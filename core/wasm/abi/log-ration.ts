// What a plugin may log in one second. More is dropped, and the log says so once a second: a flood costs others nothing.

const MOST_LINES = 10_000;
const MOST_BYTES = 1024 * 1024;

export const TOO_MUCH = `logs more than ${MOST_LINES} lines or ${MOST_BYTES} bytes in a second: the rest of the second is dropped`;

export class LogRation {
  private second = -1;
  private lines = 0;
  private bytes = 0;

  /** 'last': this line is the first that is too much. `ms`: by any clock. */
  take(length: number, ms: number): 'yes' | 'last' | 'no' {
    const second = Math.floor(ms / 1000);
    if (second !== this.second) {
      this.second = second;
      this.lines = 0;
      this.bytes = 0;
    }
    if (this.lines > MOST_LINES || this.bytes > MOST_BYTES) return 'no';
    this.lines++;
    this.bytes += length;
    return this.lines > MOST_LINES || this.bytes > MOST_BYTES ? 'last' : 'yes';
  }
}
