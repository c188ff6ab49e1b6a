// What reading the configuration log yields, for the files that read, follow and trim it. No behaviour.
import type { Commit, Position } from './types.ts';

/** Where a history stands. */
export type Head = Pick<Position, 'revision' | 'digest' | 'epoch'>;

/** A commit, and what ties it to the one before it. */
export interface LoggedCommit {
  readonly commit: Commit;
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

/** A commit or object that history no longer has. */
export class GapError extends Error {
  constructor(revision: number) {
    super(`the configuration log no longer reaches back to revision ${revision}`);
  }
}
