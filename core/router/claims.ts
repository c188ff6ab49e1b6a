// Routes by claims of a verified token: a match's header '@request.auth.claims.groups' is the claim, as Istio has it.

import type { StringMatch } from '../config/kinds/virtual-service.ts';
import { claimPath } from '../config/schemas/claim-header.ts';
import type { Claims } from './route.ts';
import { stringTest } from './string-test.ts';

export type ClaimCondition = (claims: Claims | null) => boolean;

/** Null: the name is a header's. A claim that is a list matches by any of its texts; without a token there is none. */
export function claimCondition(name: string, match: StringMatch): ClaimCondition | null {
  const path = claimPath(name);
  if (path === null) return null;
  const test = stringTest(match);
  return (claims) => claims?.texts(path)?.some(test) ?? false;
}
