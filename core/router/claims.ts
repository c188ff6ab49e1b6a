// Routes by claims of a verified token: a match's header '@request.auth.claims.groups' is the claim, as Istio has it.

import type { StringMatch } from '../config/kinds/virtual-service.ts';
import { claimPath } from '../config/schemas/claim-header.ts';
import { stringTest } from './string-test.ts';

/** What a verified token says, as far as routes ask. */
export interface Claims {
  /** The texts of a claim, by names from the outside in; null when it is neither a text nor a list of texts. */
  texts(path: readonly string[]): readonly string[] | null;
}

export type ClaimCondition = (claims: Claims | null) => boolean;

/** Null: the name is a header's. A claim that is a list matches by any of its texts; without a token there is none. */
export function claimCondition(name: string, match: StringMatch): ClaimCondition | null {
  const path = claimPath(name);
  if (path === null) return null;
  const test = stringTest(match);
  return (claims) => claims?.texts(path)?.some(test) ?? false;
}
