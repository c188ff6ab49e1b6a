// What reading the configuration log yields, for the files that read, follow and trim it. No behaviour.
import type { Commit, ConfigState } from './types.ts';

/** A commit and the digest of its message, which the next commit names. */
export interface LoggedCommit {
  readonly commit: Commit;
  readonly digest: string;
  /** '' for what is no commit. */
  readonly parentDigest: string;
  /** '' for what is no commit. */
  readonly id: string;
}

export interface LoggedState {
  readonly state: ConfigState;
  readonly digest: string;
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
