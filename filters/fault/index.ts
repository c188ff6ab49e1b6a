// fault: delays and aborts requests by chance, as the route's VirtualService says, or the FilterChain that inserted it, which may
// leave it to headers of the request. core/builtins/fault/layout.ts draws the configuration's bytes. Keeps nothing between
// callbacks: what is left to do after a delay is read again.

import {
  ABORT_BY_HEADER,
  DELAY_BY_HEADER,
  MILLION,
  NO_GRPC,
  NO_LIMIT,
  SIZE,
  VERSION,
} from '../../core/builtins/fault/layout';
import {
  Action,
  bytes,
  callForeign,
  flag,
  Head,
  HttpFilter,
  Level,
  log,
  NOTHING,
  randomBelow,
  register,
  reply,
  resumeAfter,
  routeConfiguration,
  Slice,
  wakeAfter,
} from '../sdk/index';
import { codeOf, grpcStatusOf, httpStatusOf } from './statuses';

const ALWAYS: u32 = MILLION;
const PERCENT: u32 = 10000;
/** The status of an abort that is not asked for. */
const NONE: i32 = -1;

const DELAY_REQUEST = bytes('x-envoy-fault-delay-request');
const DELAY_PERCENTAGE = bytes('x-envoy-fault-delay-request-percentage');
const ABORT_REQUEST = bytes('x-envoy-fault-abort-request');
const ABORT_GRPC_REQUEST = bytes('x-envoy-fault-abort-grpc-request');
const ABORT_PERCENTAGE = bytes('x-envoy-fault-abort-request-percentage');
const CONTENT_TYPE = bytes('content-type');
const GRPC = bytes('application/grpc');
const BODY = bytes('fault filter abort');
const DETAILS = bytes('fault_filter_abort');
const DELAYED = bytes('DI');
const ABORTED = bytes('FI');
const BEGIN_FAULT = bytes('weft_begin_fault');

const REQUEST = new Head(0);

class Fault extends HttpFilter {
  /** Of the FilterChain that inserted this filter; empty: routes have their own. */
  private own: Slice = NOTHING;

  onConfigure(configuration: Slice): bool {
    if (configuration.length == 0) return true;
    if (configuration.length != SIZE || configuration.at(0) != VERSION) {
      log(Level.Error, 'the configuration is of another version than the filter');
      return false;
    }
    this.own = configuration.keep();
    return true;
  }

  onRequestHeaders(head: Head): Action {
    const config = this.configuration();
    if (config.length != SIZE || config.at(0) != VERSION) return Action.Continue;
    const ms = delayOf(head, config);
    const delays = ms > 0 && happens(chanceOf(head, config, DELAY_BY_HEADER, 2, DELAY_PERCENTAGE));
    const aborts =
      abortOf(head, config) != NONE && happens(chanceOf(head, config, ABORT_BY_HEADER, 10, ABORT_PERCENTAGE));
    if (!delays && !aborts) return Action.Continue;
    if (load<u32>(config.ptr, 17) != NO_LIMIT && !callForeign(BEGIN_FAULT, config.ptr + 17, 4)) return Action.Continue;
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
    abort(REQUEST, this.configuration());
  }

  onRetired(): void {
    if (this.own.length > 0) this.own.release();
  }

  private configuration(): Slice {
    return this.own.length > 0 ? this.own : routeConfiguration();
  }
}

/** Milliseconds. */
function delayOf(head: Head, config: Slice): u32 {
  if ((config.at(1) & DELAY_BY_HEADER) == 0) return load<u32>(config.ptr, 6);
  return <u32>max(0, head.get(DELAY_REQUEST).toInt());
}

/** A header's percentage makes a fault rarer than it is configured, never more frequent. */
function chanceOf(head: Head, config: Slice, byHeader: i32, at: usize, percentage: Slice): u32 {
  const configured = load<u32>(config.ptr + at);
  if ((config.at(1) & byHeader) == 0) return configured;
  const percent = head.get(percentage).toInt();
  return percent < 0 || percent > 100 ? configured : min(configured, <u32>percent * PERCENT);
}

function happens(chance: u32): bool {
  return chance >= ALWAYS || (chance != 0 && randomBelow(ALWAYS) < chance);
}

/** The HTTP status, or 1000 + the gRPC status; NONE: no abort is asked for. */
function abortOf(head: Head, config: Slice): i32 {
  if ((config.at(1) & ABORT_BY_HEADER) == 0) {
    return codeOf(<i32>load<u16>(config.ptr, 14), config.at(16));
  }
  const status = head.get(ABORT_REQUEST).toInt();
  if (status >= 200 && status < 600) return codeOf(status, NO_GRPC);
  const grpc = head.get(ABORT_GRPC_REQUEST).toInt();
  return grpc < 0 || grpc > 16 ? NONE : codeOf(0, grpc);
}

function abort(head: Head, config: Slice): void {
  const code = abortOf(head, config);
  const status = code < 1000 ? code : httpStatusOf(code - 1000);
  const grpc = code < 1000 ? grpcStatusOf(code) : code - 1000;
  flag(ABORTED);
  const calls = head.get(CONTENT_TYPE).startsWith(GRPC);
  reply(calls ? 200 : status, BODY, DETAILS, calls ? grpc : -1);
}

register(() => new Fault());
