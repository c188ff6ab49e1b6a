// What clients are answered about changes, as they read it. Types only.
import type { Problem, Resource } from '../core/config/resource.ts';

export type ChangeKind = 'created' | 'configured' | 'unchanged' | 'deleted' | 'missing';

export interface KeyChange {
  readonly key: string;
  readonly change: ChangeKind;
}

export interface ChangeResult {
  readonly revision: number;
  readonly parent: number;
  readonly changes: KeyChange[];
  readonly warnings: Problem[];
}

export interface Difference {
  readonly key: string;
  readonly change: ChangeKind;
  readonly before: Resource | null;
  readonly after: Resource | null;
}
