// What stands in a chain where a plugin should and cannot: its module is not there, or its guest is down. The plugin's
// strategy says what becomes of requests.

import { FAILURES } from '../../errors.ts';
import type { Direction, FilterFactory, FilterStream, HttpFilter, Verdict } from '../../exchange/filter.ts';
import type { FailStrategy } from './spec.ts';

/** In the place of a plugin whose module is not there. */
export function unavailableFilter(name: string, strategy: FailStrategy): FilterFactory {
  const open = (stream: FilterStream): HttpFilter => standIn(stream, strategy);
  return { name, wants: { request: { head: true, body: false }, response: { head: false, body: false } }, open };
}

/** What one stream passes instead of the plugin. */
export function standIn(stream: FilterStream, strategy: FailStrategy): HttpFilter {
  return strategy === 'FAIL_OPEN' ? ABSENT : new Failed(stream);
}

/** The answer to a request whose filter cannot be run. */
export function failStream(stream: FilterStream): void {
  const { status, details, body, flag } = FAILURES.filter_failed;
  if (flag !== null) stream.addFlag(flag);
  stream.localReply({ status, details, body, fields: [], grpcStatus: -1 });
}

/** A filter that is not there. */
const ABSENT: HttpFilter = {
  head: () => 'continue',
  body: () => 'continue',
  trailers: () => 'continue',
  done: () => undefined,
};

/** A filter that cannot run and must: whatever reaches it first is refused. */
class Failed implements HttpFilter {
  private readonly stream: FilterStream;
  private refused = false;
  constructor(stream: FilterStream) {
    this.stream = stream;
  }
  head(direction: Direction): Verdict {
    // The refusal itself passes here on its way back.
    return direction === 'response' && this.refused ? 'continue' : this.refuse();
  }
  body(direction: Direction): Verdict {
    return direction === 'response' ? 'continue' : this.refuse();
  }
  trailers(direction: Direction): Verdict {
    return direction === 'response' ? 'continue' : this.refuse();
  }
  done(): void {}

  private refuse(): Verdict {
    if (!this.refused) failStream(this.stream);
    this.refused = true;
    return 'pause';
  }
}
