// From rounds to figures: medians, and ratios between peers of the same round, which share the machine's mood.

export interface Round {
  readonly cpuMicrosPerRequest: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMiB: number;
  readonly errors: number;
}

/** Medians over the rounds; errors are a sum. */
export interface PeerFigures extends Round {
  readonly peer: string;
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

export function figuresOf(peer: string, rounds: readonly Round[]): PeerFigures {
  const middle = (of: (round: Round) => number): number => rounded(median(rounds.map(of)));
  return {
    peer,
    cpuMicrosPerRequest: middle((round) => round.cpuMicrosPerRequest),
    requestsPerSecond: middle((round) => round.requestsPerSecond),
    p50Ms: middle((round) => round.p50Ms),
    p99Ms: middle((round) => round.p99Ms),
    rssMiB: middle((round) => round.rssMiB),
    errors: rounds.reduce((sum, round) => sum + round.errors, 0),
    rounds,
  };
}

/** Every peer against every other that is named in `to`. */
export function ratiosOf(peers: readonly PeerFigures[], to: readonly string[]): readonly Ratio[] {
  const ratios: Ratio[] = [];
  for (const base of peers.filter(({ peer }) => to.includes(peer))) {
    for (const peer of peers) {
      if (peer === base) continue;
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

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
