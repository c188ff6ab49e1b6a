// The smallest useful filter: it marks requests, and says on the way back that it was here.

import { Action, bytes, Head, HttpFilter, register } from '../index';

const USER_AGENT = bytes('user-agent');
const AGENT = bytes('x-agent');
const SERVED = bytes('x-served-by');
const WEFT = bytes('weft');
const UNKNOWN = bytes('unknown');

class AddHeader extends HttpFilter {
  onRequestHeaders(head: Head): Action {
    const agent = head.get(USER_AGENT);
    head.set(AGENT, agent.exists ? agent : UNKNOWN);
    return Action.Continue;
  }

  onResponseHeaders(head: Head): Action {
    head.add(SERVED, WEFT);
    return Action.Continue;
  }
}

register(() => new AddHeader());
