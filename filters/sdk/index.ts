// The SDK: import from here. A filter is one class and one call of register(); see README.md.

export { Body } from './body';
export { Action, HttpFilter, register } from './filter';
export { AUTHORITY, Head, METHOD, PATH, STATUS } from './head';
export { Json, JsonKind, parseJson } from './json';
export { Level, log, logBytes, logs } from './log';
export { counter, increment } from './metrics';
export { decimal } from './number';
export { PairReader, Pairs, pairs } from './pairs';
export { randomBelow } from './random';
export { getShared, setShared, SharedValue } from './shared';
export { bytes, concat, Slice, slice, utf8 } from './slice';
export {
  askForeign,
  callForeign,
  clearRouteCache,
  continueRequest,
  continueResponse,
  flag,
  property,
  reply,
  replyWith,
  resumeAfter,
  routeConfiguration,
  setProperty,
  wakeAfter,
} from './stream';
export { setTick } from './tick';
