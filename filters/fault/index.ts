// fault: delays and aborts requests by chance, as the route's VirtualService says. The configuration's bytes are drawn in
// README.md. Keeps nothing between callbacks: what is left to do after a delay is read from the route again.

import {
  Action,
  bytes,
  flag,
  Head,
  HttpFilter,
  randomBelow,
  register,
  reply,
  resumeAfter,
  routeConfiguration,
  Slice,
  wakeAfter,
} from '../sdk/index';

const VERSION: u8 = 1;
const SIZE: i32 = 16;
const MILLION: u32 = 1000000;
const NO_GRPC: u8 = 255;

const CONTENT_TYPE = bytes('content-type');
const GRPC = bytes('application/grpc');
const BODY = bytes('fault filter abort');
const DETAILS = bytes('fault_filter_abort');
const DELAYED = bytes('DI');
const ABORTED = bytes('FI');

const REQUEST = new Head(0);

class Fault extends HttpFilter {
  onRequestHeaders(head: Head): Action {
    const config = routeConfiguration();
    if (config.length < SIZE || config.at(0) != VERSION) return Action.Continue;
    const ms = load<u32>(config.ptr, 5);
    const delays = ms > 0 && happens(load<u32>(config.ptr, 1));
    const aborts = happens(load<u32>(config.ptr, 9));
    if (delays) {
      flag(DELAYED);
      if (aborts ? wakeAfter(ms) : resumeAfter(ms)) return Action.Pause;
    }
    if (!aborts) return Action.Continue;
    abort(head, config);
    return Action.Pause;
  }

  /** The delay of a request that is to be aborted is over. */
  onWake(): void {
    abort(REQUEST, routeConfiguration());
  }
}

function happens(chance: u32): bool {
  return chance >= MILLION || (chance != 0 && randomBelow(MILLION) < chance);
}

function abort(head: Head, config: Slice): void {
  const grpc = config.at(15);
  let status = <i32>load<u16>(config.ptr, 13);
  flag(ABORTED);
  if (grpc == NO_GRPC) {
    reply(status, BODY, DETAILS);
    return;
  }
  const calls = head.get(CONTENT_TYPE).startsWith(GRPC);
  reply(calls ? 200 : httpStatusOf(grpc), BODY, DETAILS, calls ? <i32>grpc : -1);
}

/** What a client that does not speak gRPC is answered, as Envoy maps it. */
function httpStatusOf(grpc: u8): i32 {
  switch (grpc) {
    case 0:
      return 200;
    case 1:
      return 499;
    case 3:
    case 9:
    case 11:
      return 400;
    case 4:
      return 504;
    case 5:
      return 404;
    case 6:
    case 10:
      return 409;
    case 7:
      return 403;
    case 8:
      return 429;
    case 12:
      return 501;
    case 14:
      return 503;
    case 16:
      return 401;
    default:
      return 500;
  }
}

register(() => new Fault());
