// Max-Forwards (RFC 9110 7.6.2): how many further hops a TRACE or OPTIONS may take, counted down by each. Who gets it at 0
// answers as if it were the last. Requests of other methods do not come here.

import { FieldName, type Head } from '../http/head.ts';
import type { LocalReply } from './filter.ts';

const MAX_FORWARDS = new FieldName('max-forwards');

/** Null: it may go on. What is no number is nobody's limit. */
export function lastHop(head: Head): LocalReply | null {
  const given = head.get(MAX_FORWARDS);
  if (given === undefined || !/^\d{1,15}$/.test(given)) return null;
  const left = Number(given);
  if (left > 0) {
    head.put(MAX_FORWARDS, String(left - 1));
    return null;
  }
  // To reflect a request is to show what hops before this one have added to it.
  const status = head.method === 'OPTIONS' ? 200 : 501;
  return { status, details: 'max_forwards', body: '', fields: [], grpcStatus: -1 };
}
