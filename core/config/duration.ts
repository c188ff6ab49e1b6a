// Durations as Go and Istio write them: '5s', '100ms', '1h30m', '1.5s', '250us'. The one reader of them; each caller says its limits.

const SHAPE = /^(?:\d+(?:\.\d+)?(?:h|m|s|ms|us|µs|μs|ns))+$/;
const PART = /(\d+)(?:\.(\d+))?(h|ms|m|s|us|µs|μs|ns)/g;
const NANOSECONDS: Readonly<Record<string, bigint>> = {
  ...{ h: 3_600_000_000_000n, m: 60_000_000_000n, s: 1_000_000_000n, ms: 1_000_000n, us: 1_000n, ns: 1n },
  // Go takes both: the micro sign and the Greek letter.
  ...{ µs: 1_000n, μs: 1_000n },
};
const NS_PER_MS = 1_000_000n;
const LONGEST_TEXT = 64;

/** Ten years. Longer than a timer can be set for: who sets timers clamps. */
export const MAX_DURATION_MS = 10 * 365 * 24 * 3_600_000;

/** Milliseconds (not necessarily whole, to the nanosecond); NaN when the text is no duration or one that is too long. */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  if (text.length > LONGEST_TEXT || !SHAPE.test(text)) return Number.NaN;
  let ns = 0n;
  for (const [, whole, fraction = '', unit] of text.matchAll(PART)) {
    // As integers: 1.005s is 1005 ms, which 1.005 * 1000 is not.
    ns += (BigInt(whole + fraction) * NANOSECONDS[unit]) / 10n ** BigInt(fraction.length);
  }
  const ms = Number(ns / NS_PER_MS) + Number(ns % NS_PER_MS) / Number(NS_PER_MS);
  return ms <= MAX_DURATION_MS ? ms : Number.NaN;
}

/** What is wrong with a text that should be a duration from `leastMs` to `mostMs`; null when nothing is. */
export function durationFault(text: string, leastMs: number, mostMs: number): string | null {
  const ms = parseDuration(text);
  if (Number.isNaN(ms)) return 'is no duration: write 5s, 100ms or 1h30m';
  if (ms < leastMs) return `is too short: at least ${short(leastMs)}`;
  return ms > mostMs ? `is too long: at most ${short(mostMs)}` : null;
}

/** A limit in its largest whole unit. */
function short(ms: number): string {
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
