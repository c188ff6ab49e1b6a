// From rounds to figures: medians, and ratios between peers of the same round, which share the machine's mood.

export interface Round {
  /** 0 where nothing is asked. */
  readonly cpuMicrosPerRequest: number;
  readonly requestsPerSecond: number;
  readonly rssMiB: number;
  readonly errors: number;
  /** End of the round, since the first began; where one watches something over time. */
  readonly atSeconds?: number;
  /** What only this kind of scenario or peer has, such as the processor time of the applications behind it. */
  readonly also?: Readonly<Record<string, number>>;
}

/** Of all requests that were sent at a fixed rate, in all rounds together. 0 where nothing was. */
export interface Latency {
  readonly ratePerSecond: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** 99th percentile of how late the load generator was to send, which is contained in the others. */
  readonly lateP99Ms: number;
}

/** Medians over the rounds; errors are a sum. */
export interface PeerFigures extends Round, Latency {
  readonly peer: string;
  /** Those of the rounds, and what is measured once, such as `readyMs`. */
  readonly also: Readonly<Record<string, number>>;
  readonly rounds: readonly Round[];
}

/** `peer`'s processor time per request divided by `to`'s, round by round. */
export interface Ratio {
  readonly peer: string;
  readonly to: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export const NO_LATENCY: Latency = { ratePerSecond: 0, p50Ms: 0, p90Ms: 0, p99Ms: 0, p999Ms: 0, lateP99Ms: 0 };

export function figuresOf(
  peer: string,
  rounds: readonly Round[],
  latency: Latency = NO_LATENCY,
  also: Readonly<Record<string, number>> = {},
): PeerFigures {
  const middle = (of: (round: Round) => number): number => rounded(median(rounds.map(of)));
  return {
    peer,
    cpuMicrosPerRequest: middle((round) => round.cpuMicrosPerRequest),
    requestsPerSecond: middle((round) => round.requestsPerSecond),
    rssMiB: middle((round) => round.rssMiB),
    errors: rounds.reduce((sum, round) => sum + round.errors, 0),
    ...latency,
    also: { ...mediansOf(rounds.map((round) => round.also ?? {})), ...also },
    rounds,
  };
}

function mediansOf(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  return Object.fromEntries(
    Object.keys(all[0] ?? {}).map((name) => [name, rounded(median(all.map((one) => one[name])))]),
  );
}

export function latencyOf(ratePerSecond: number, micros: readonly number[], lateP99Micros: number): Latency {
  const sorted = Float64Array.from(micros).sort();
  const at = (share: number): number =>
    sorted.length === 0 ? 0 : rounded(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] / 1000);
  return {
    ratePerSecond,
    p50Ms: at(0.5),
    p90Ms: at(0.9),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    lateP99Ms: rounded(lateP99Micros / 1000),
  };
}

/** Every peer against every other that is named in `to`. */
export function ratiosOf(peers: readonly PeerFigures[], to: readonly string[]): readonly Ratio[] {
  const ratios: Ratio[] = [];
  for (const base of peers.filter(({ peer, cpuMicrosPerRequest }) => to.includes(peer) && cpuMicrosPerRequest > 0)) {
    for (const peer of peers) {
      // One without a process of its own, or that nobody asked.
      if (peer === base || peer.cpuMicrosPerRequest === 0) continue;
      const values = peer.rounds.map((round, i) => round.cpuMicrosPerRequest / base.rounds[i].cpuMicrosPerRequest);
      ratios.push({
        peer: peer.peer,
        to: base.peer,
        median: rounded(median(values)),
        min: rounded(Math.min(...values)),
        max: rounded(Math.max(...values)),
      });
    }
  }
  return ratios;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Of the straight line that fits these points best: its rise for one more of the first coordinate. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (of: 0 | 1): number => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const spread = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
  return spread === 0 ? 0 : points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / spread;
}

export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
