// ext-authz where an authorizer adds headers to the answers of requests that it allows. A module of its own, so that where none
// does, answers do not come by here at all.

import { Action, bytes, callForeign, Head, register } from '../sdk/index';
import { ExtAuthz } from './checks';

const ANSWER = bytes('weft_check_answer');

class Tells extends ExtAuthz {
  onResponseHeaders(head: Head): Action {
    callForeign(ANSWER, 0, 0);
    return Action.Continue;
  }
}

register(() => new Tells());
