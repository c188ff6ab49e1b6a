// Durations as Istio and Go write them: '5s', '100ms', '1h30m', '0.5s'.

const SHAPE = /^(?:\d+(?:\.\d+)?(?:h|ms|m|s))+$/;
const PART = /(\d+(?:\.\d+)?)(h|ms|m|s)/g;
const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Ten years. Longer than a timer can be set for: who sets timers clamps. */
export const MAX_DURATION_MS = 10 * 365 * 24 * 3_600_000;

/** Milliseconds (not necessarily whole); NaN when the text is no duration or one that is too long. */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  if (text.length > 64 || !SHAPE.test(text)) return Number.NaN;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(PART)) ms += Number(amount) * UNIT_MS[unit];
  return ms <= MAX_DURATION_MS ? ms : Number.NaN;
}
