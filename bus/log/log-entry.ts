// What reading the configuration log yields, for the files that read, follow and trim it.
import { BusUnavailableError, type Commit, type Position } from '../types.ts';

/** Where a history stands. */
export type Head = Pick<Position, 'revision' | 'digest' | 'epoch'>;

export interface Counts {
  readonly upserts: number;
  readonly removals: number;
}

/** A commit, and what ties it to the one before it. */
export interface LoggedCommit {
  readonly commit: Commit;
  /** How many it wrote and removed, also when those were not read. */
  readonly counts: Counts;
  /** '' for what is no commit. */
  readonly parentDigest: string;
  /** '' for what is no commit. */
  readonly id: string;
}

/** Where a log stands: when its stream was made, its oldest and newest commit. */
export interface LogBounds {
  readonly created: string;
  readonly first: number;
  readonly last: number;
}

/** What is stored and does not come back as it was. */
export class DamagedError extends BusUnavailableError {}

/** A commit or object that history no longer has. */
export class GapError extends Error {
  readonly revision: number;

  constructor(revision: number) {
    super(`the configuration log no longer reaches back to revision ${revision}`);
    this.revision = revision;
  }
}

/** A commit that names another parent than the one before it, in every copy. */
export class BrokenChainError extends DamagedError {
  readonly revision: number;

  constructor(revision: number) {
    super(`revision ${revision} of the configuration log does not follow from the one before it`);
    this.revision = revision;
  }
}

/** Whether a commit names another parent than the one of that digest. What is no commit names none; '' is not known. */
export function breaks(digest: string, { parentDigest }: LoggedCommit): boolean {
  return digest !== '' && parentDigest !== '' && parentDigest !== digest;
}
