// The SDK: import from here. A filter is one class and one call of register(); see README.md.

export { Body, heldRequestBody, heldResponseBody } from './body';
export { call } from './call';
export { elapsed, now, setTick } from './clock';
export { actFor, currentContext } from './contexts';
export { Action, HttpFilter, NetworkFilter, Peer, Plugin, register } from './filter';
export { grpcCall, grpcCancel, grpcClose, grpcSend, grpcStatusMessage, grpcStream } from './grpc';
export { AUTHORITY, Head, METHOD, PATH, SCHEME, STATUS } from './head';
export { Json, JsonKind, parseJson } from './json';
export { Level, log, logBytes, logs } from './log';
export { Counter, counter, Gauge, gauge, Histogram, histogram } from './metric';
export { decimal } from './number';
export { PairReader, Pairs, pairs } from './pairs';
export { dequeue, enqueue, findQueue, registerQueue } from './queue';
export { randomBelow } from './random';
export { Response } from './response';
export { getShared, setShared, SharedValue } from './shared';
export { bytes, concat, NOTHING, Slice, slice, utf8 } from './slice';
export {
  askForeign,
  booleanProperty,
  callForeign,
  clearRouteCache,
  closeDownstream,
  closeRequest,
  closeUpstream,
  continueDownstream,
  continueRequest,
  continueResponse,
  continueUpstream,
  flag,
  numberProperty,
  property,
  reply,
  replyWith,
  resumeAfter,
  routeConfiguration,
  setProperty,
  wakeAfter,
} from './stream';
