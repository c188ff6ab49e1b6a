// The one interim answer that a proxy gives by itself: a client that waits for "100 Continue" is told to go on, where whoever
// is to have its body will not say so.

import { Head } from '../http/head.ts';

const CONTINUE = Head.response(100);

/** Whoever passes interim answers on, and remembers that the client does not wait any longer. */
export interface Waiting {
  readonly requestHead: Head;
  onUpstreamInterim(head: Head): void;
}

export function welcomeBody(exchange: Waiting): void {
  if (exchange.requestHead.expectContinue) exchange.onUpstreamInterim(CONTINUE);
}
