// The stages that an exchange goes through and does not know: core/proxy.ts gives them. Types only.

import type { FailureCode } from '../errors.ts';
import type { Head } from '../http/head.ts';

export interface ExchangeStages<Exchange> {
  /** Gives the request its virtual host and its route; returns null, or why it has none. */
  route(exchange: Exchange): FailureCode | null;
  /** The request has passed its filters. `end`: it has no body. */
  upstream(exchange: Exchange, end: boolean): void;
  /** An upstream answers; the filters have not seen it yet. */
  response(exchange: Exchange, head: Head): void;
  /** The proxy answers by itself: a failure, a filter, the route. */
  localResponse(exchange: Exchange, head: Head): void;
  /** It is over, and its record is complete. */
  ended(exchange: Exchange): void;
}
