// Weights laid end to end on a line: a point of it belongs to each endpoint as often as its weight says.

export class Shares {
  /** The length of the line. */
  readonly total: number;
  private readonly ends: Float64Array;

  constructor(weights: readonly number[]) {
    this.ends = new Float64Array(weights.length);
    let end = 0;
    for (let i = 0; i < weights.length; i++) {
      end += weights[i];
      this.ends[i] = end;
    }
    this.total = end;
  }

  /** Whose share `point` lies in: from 0 on, below the total. */
  at(point: number): number {
    const { ends } = this;
    let low = 0;
    let high = ends.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (point < ends[middle]) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  startOf(index: number): number {
    return index === 0 ? 0 : this.ends[index - 1];
  }

  weightOf(index: number): number {
    return this.ends[index] - this.startOf(index);
  }
}
