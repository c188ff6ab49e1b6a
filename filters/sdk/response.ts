// The answer to a call that a filter made (call.ts), as onCallResponse() gets it.

import { Body } from './body';
import { Head } from './head';

/** What came of a call. It can be read in onCallResponse() only. */
export class Response {
  /** There was no answer: not reached, reset, or too late. */
  failed: bool = false;
  readonly head: Head = new Head(6);
  readonly body: Body = new Body(4);
  readonly trailers: Head = new Head(7);
}
