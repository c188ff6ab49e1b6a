// How single functions are timed: in short turns that alternate with a calibration loop in the same thread, the quickest
// turn of each. A ratio of the two says the same on a fast machine, on a slow one and on a crowded one.

export interface Subject {
  readonly name: string;
  /** Does it so many times. */
  run(times: number): void;
  /** Most that one may cost, in turns of the calibration loop: about twice what it costs. */
  readonly budget: number;
}

export interface Timing {
  readonly name: string;
  readonly nanoseconds: number;
  /** Of the calibration loop's. */
  readonly ratio: number;
  readonly budget: number;
}

/** Long enough for the clock, short enough to fit between two turns of a busy machine's other programs. */
const TURN_MS = 0.4;
const WARM_TURNS = 200;
const TURNS = 300;

const BYTES = new Uint8Array(512);
for (let i = 0; i < BYTES.length; i++) BYTES[i] = (i * 31) & 0x7f;
let kept: { sum: number; text: string } = { sum: 0, text: '' };

/** What hot functions are made of: bytes read one by one, a small object, a short string, a look at a map. */
const map = new Map(Array.from({ length: 64 }, (_, i) => [`key-${i}`, i]));
const CALIBRATION: Subject = {
  name: 'calibration',
  budget: 1,
  run(times) {
    for (let i = 0; i < times; i++) {
      let sum = i;
      for (let k = 0; k < BYTES.length; k++) sum = (sum + (BYTES[k] === 58 ? k : 1)) | 0;
      const text = `key-${sum & 63}`;
      kept = { sum: sum + map.get(text)!, text };
    }
  },
};

/** Times all of them. */
export function timings(subjects: readonly Subject[]): readonly Timing[] {
  const all = [CALIBRATION, ...subjects].map((subject) => ({ subject, times: 1, best: Number.POSITIVE_INFINITY }));
  for (const entry of all) {
    // As many as fill a turn, once the code is compiled.
    for (let turn = 0; turn < WARM_TURNS; turn++) {
      const took = timed(entry.subject, entry.times);
      if (took < TURN_MS) entry.times = Math.ceil(entry.times * Math.min(4, Math.max(1.1, TURN_MS / took)));
      else if (took > 2 * TURN_MS) entry.times = Math.max(1, entry.times >> 1);
    }
  }
  for (let turn = 0; turn < TURNS; turn++) {
    for (const entry of all) entry.best = Math.min(entry.best, timed(entry.subject, entry.times) / entry.times);
  }
  if (kept.text === '') throw new Error('the calibration loop was not run');
  const [calibration, ...rest] = all;
  return rest.map(({ subject: { name, budget }, best }) => {
    return { name, nanoseconds: best * 1e6, ratio: best / calibration.best, budget };
  });
}

function timed(subject: Subject, times: number): number {
  const start = performance.now();
  subject.run(times);
  return performance.now() - start;
}
