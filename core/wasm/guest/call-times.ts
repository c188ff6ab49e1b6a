// How long the callbacks of one plugin take: one in 64 is timed, so that the others read no clock.

const ONE_IN = 64;
/** Buckets of a quarter of an octave, from a quarter of a microsecond on. */
const BUCKETS = 80;
const PER_OCTAVE = 4;
const FIRST_MICROS = 0.25;

export class CallTimes {
  /** Callbacks so far. */
  calls = 0;
  private samples = 0;
  private micros = 0;
  private readonly buckets = new Uint32Array(BUCKETS);

  /** A callback begins. Its start in milliseconds when it is to be timed, else 0. */
  begin(): number {
    return (this.calls++ & (ONE_IN - 1)) === ONE_IN - 1 ? performance.now() : 0;
  }

  /** A callback that was begun at `started` ends. */
  end(started: number): void {
    const micros = (performance.now() - started) * 1000;
    this.samples++;
    this.micros += micros;
    const bucket = Math.ceil(PER_OCTAVE * Math.log2(Math.max(1, micros / FIRST_MICROS)));
    this.buckets[Math.min(BUCKETS - 1, bucket)]++;
  }

  /** Microseconds; null while none was timed. */
  get mean(): number | null {
    return this.samples === 0 ? null : this.micros / this.samples;
  }

  /** The median in microseconds, a fifth too high at most; null while none was timed. */
  get median(): number | null {
    if (this.samples === 0) return null;
    let seen = 0;
    const at = this.buckets.findIndex((count) => {
      seen += count;
      return seen * 2 >= this.samples;
    });
    return FIRST_MICROS * 2 ** (at / PER_OCTAVE);
  }
}
