// Host functions: header maps. A name is compared where it lies in the guest; a received value is copied from the buffer
// it arrived in. Strings are made only for what filters write. Routes match on the headers of a request: in these versions of the ABI
// whoever changes them has the route chosen again, as in Envoy.

import { type Head, valueAllowed } from '../../http/head.ts';
import { type HeadKind, mapPairs, syntheticValue } from '../../http/pseudo-headers.ts';
import { type HostFunction, MapType, Status } from './abi.ts';
import type { Guest } from './guest.ts';
import {
  addField,
  findField,
  forgetLength,
  isPlainField,
  joinedValue,
  maybeSynthetic,
  removeField,
  replaceAll,
} from './header-map.ts';
import { NameCache } from './name-cache.ts';
import { decodePairs, encodePairs, pairsSize } from './pairs.ts';

export function headerFunctions(vm: Guest): Record<string, HostFunction> {
  const { memory } = vm;
  const names = new NameCache(writableName);
  /** Filters write the same few values; null: it may not be on the wire. */
  const values = new NameCache((value) => (valueAllowed(value) ? value : null));

  /** Adds or replaces; what may not be on the wire is dropped and logged, because guests do not survive a refusal. */
  function write(map: number, key: number, keyLength: number, value: number, length: number, replace: boolean): number {
    memory.attach();
    if (!memory.holds(key, keyLength) || !memory.holds(value, length)) return Status.InvalidMemoryAccess;
    const head = writableHeadOf(vm, map);
    if (head === null || keyLength === 0) return Status.BadArgument;
    const { bytes } = memory;
    if (replace && bytes[key] !== 58) removeField(head, bytes, key, keyLength);
    const { name, plain } = names.get(memory, key, keyLength);
    const text = plain ? values.get(memory, value, length) : null;
    if (map === MapType.RequestHeaders) vm.effective!.stream!.clearRouteCache();
    if (text !== null) {
      head.added.push(name, text);
      return Status.Ok;
    }
    const written = addField(head, kindOf(map), name, memory.latin1(value, length));
    if (written === 'done' || written === 'ignored') return Status.Ok;
    if (written === 'malformed') return Status.BadArgument;
    vm.host.log(
      'warning',
      vm.current?.plugin.name ?? '',
      `header ${JSON.stringify(name)} was dropped: its name or value may not be sent`,
    );
    return Status.Ok;
  }

  return {
    proxy_get_header_map_value: (map: number, key: number, keyLength: number, pointerAt: number, lengthAt: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_header_map_value');
      memory.attach();
      const at = key >>> 0;
      const length = keyLength >>> 0;
      if (!memory.holds(at, length)) return Status.InvalidMemoryAccess;
      const head = headOf(vm, map);
      if (head === null) return missing(vm, pointerAt, lengthAt);
      const { bytes } = memory;
      const index = findField(head, bytes, at, length, 0);
      if (index < 0) {
        if (!maybeSynthetic(bytes[at], length)) return missing(vm, pointerAt, lengthAt);
        const value = syntheticValue(head, kindOf(map), names.get(memory, at, length).name);
        if (value === null) return missing(vm, pointerAt, lengthAt);
        return vm.giveText(value, pointerAt >>> 0, lengthAt >>> 0);
      }
      if (findField(head, bytes, at, length, index + 1) >= 0) {
        return vm.giveText(joinedValue(head, bytes, at, length, index), pointerAt >>> 0, lengthAt >>> 0);
      }
      const span = index << 2;
      const { spans } = head;
      if (span >= spans.length) return vm.giveText(head.valueAt(index), pointerAt >>> 0, lengthAt >>> 0);
      return vm.giveBytes(head.bytes, spans[span + 2], spans[span + 3], pointerAt >>> 0, lengthAt >>> 0);
    },
    proxy_add_header_map_value: (map: number, key: number, keyLength: number, value: number, length: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_add_header_map_value');
      return write(map, key >>> 0, keyLength >>> 0, value >>> 0, length >>> 0, false);
    },
    proxy_replace_header_map_value: (map: number, key: number, keyLength: number, value: number, length: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_replace_header_map_value');
      return write(map, key >>> 0, keyLength >>> 0, value >>> 0, length >>> 0, true);
    },
    proxy_remove_header_map_value: (map: number, key: number, keyLength: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_remove_header_map_value');
      memory.attach();
      const at = key >>> 0;
      const length = keyLength >>> 0;
      if (!memory.holds(at, length)) return Status.InvalidMemoryAccess;
      const head = writableHeadOf(vm, map);
      if (head === null) return Status.BadArgument;
      if (map === MapType.RequestHeaders) vm.effective!.stream!.clearRouteCache();
      if (length === 14 && names.get(memory, at, length).name === 'content-length') forgetLength(head, kindOf(map));
      else removeField(head, memory.bytes, at, length);
      return Status.Ok;
    },
    proxy_get_header_map_size: (map: number, out: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_header_map_size');
      memory.attach();
      if (!memory.holds(out >>> 0, 4)) return Status.InvalidMemoryAccess;
      const head = headOf(vm, map);
      memory.setU32(out >>> 0, head === null ? 0 : pairsSize(mapPairs(head, kindOf(map))));
      return Status.Ok;
    },
    proxy_get_header_map_pairs: (map: number, pointerAt: number, lengthAt: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_header_map_pairs');
      memory.attach();
      const head = headOf(vm, map);
      if (head === null) return vm.giveText('', pointerAt >>> 0, lengthAt >>> 0);
      const pairs = encodePairs(mapPairs(head, kindOf(map)));
      return vm.giveBytes(pairs, 0, pairs.length, pointerAt >>> 0, lengthAt >>> 0);
    },
    proxy_set_header_map_pairs: (map: number, pairs: number, length: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_set_header_map_pairs');
      memory.attach();
      if (!memory.holds(pairs >>> 0, length >>> 0)) return Status.InvalidMemoryAccess;
      const head = writableHeadOf(vm, map);
      if (head === null) return Status.BadArgument;
      const from = pairs >>> 0;
      const list = decodePairs(memory.bytes.subarray(from, from + (length >>> 0)));
      if (map === MapType.RequestHeaders) vm.effective!.stream!.clearRouteCache();
      if (replaceAll(head, kindOf(map), list) === 'malformed') return Status.BadArgument;
      return Status.Ok;
    },
  };
}

interface WritableName {
  /** Lower case. */
  readonly name: string;
  /** A field like any other, whose name may be on the wire. */
  readonly plain: boolean;
}

function writableName(text: string): WritableName {
  const name = text.toLowerCase();
  return { name, plain: isPlainField(name) };
}

/** A name that is not there, or a map that this phase has not: NOT_FOUND, and in 0.1.0 an empty value. */
function missing(vm: Guest, pointerAt: number, lengthAt: number): number {
  const status = vm.giveText('', pointerAt >>> 0, lengthAt >>> 0);
  return status !== Status.Ok || vm.abi === '0.1.0' ? status : Status.NotFound;
}

/** The message of this map, or null: this phase has none. */
export function headOf(vm: Guest, map: number): Head | null {
  // The answer to a call belongs to the root: it is there whichever context is in effect.
  if (map === MapType.HttpCallHeaders) return vm.httpCalls.response?.head ?? null;
  if (map === MapType.HttpCallTrailers) return vm.httpCalls.response?.trailers ?? null;
  if (map === MapType.GrpcInitialMetadata) return vm.grpcCalls.head;
  if (map === MapType.GrpcTrailingMetadata) return vm.grpcCalls.trailers;
  return vm.effective?.plugin.doors.readHeaders === true ? messageOf(vm, map) : null;
}

/** The answer to a call is for reading only. */
function writableHeadOf(vm: Guest, map: number): Head | null {
  return vm.effective?.plugin.doors.changeHeaders === true ? messageOf(vm, map) : null;
}

function messageOf(vm: Guest, map: number): Head | null {
  const stream = vm.effective?.stream;
  if (!stream) return null;
  switch (map) {
    case MapType.RequestHeaders:
      return stream.requestHead;
    case MapType.ResponseHeaders:
      return stream.responseHead;
    case MapType.RequestTrailers:
      return stream.requestTrailers;
    case MapType.ResponseTrailers:
      return stream.responseTrailers;
    default:
      return null;
  }
}

function kindOf(map: number): HeadKind {
  if (map === MapType.RequestHeaders) return 'request';
  if (map === MapType.ResponseHeaders || map === MapType.HttpCallHeaders) return 'response';
  return map === MapType.GrpcInitialMetadata ? 'response' : 'trailers';
}
