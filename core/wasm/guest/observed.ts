// An instance under observation: its host functions and callbacks tell the observer before and after they run. The
// functions themselves are the ones that every instance has.

import { HOST_FUNCTIONS, type HostFunction } from '../abi/abi.ts';
import type { GuestMemory } from '../abi/memory.ts';
import type { HostArgument, Observer } from '../abi/observer.ts';
import { decodePairs } from '../abi/pairs.ts';
import type { Callback } from './context.ts';
import type { FuelGauge } from './fuel.ts';
import { trapText } from './traps.ts';

/** n a number, s a signed one, t a text (pointer, length), p pairs (same), q a property's path (same), - room for a result. */
const PARAMETERS: Readonly<Record<string, string>> = {
  proxy_log: 'nt',
  proxy_set_tick_period_milliseconds: 'n',
  proxy_get_buffer_bytes: 'nnn--',
  proxy_get_buffer_status: 'n--',
  proxy_set_buffer_bytes: 'nnnt',
  proxy_get_header_map_size: 'n-',
  proxy_get_header_map_pairs: 'n--',
  proxy_set_header_map_pairs: 'np',
  proxy_get_header_map_value: 'nt--',
  proxy_add_header_map_value: 'ntt',
  proxy_replace_header_map_value: 'ntt',
  proxy_remove_header_map_value: 'nt',
  proxy_continue_stream: 'n',
  proxy_close_stream: 'n',
  proxy_send_local_response: 'nttps',
  proxy_http_call: 'tptpn-',
  proxy_grpc_call: 'tttptn-',
  proxy_grpc_stream: 'tttp-',
  proxy_grpc_send: 'ntn',
  proxy_grpc_cancel: 'n',
  proxy_grpc_close: 'n',
  proxy_set_shared_data: 'ttn',
  proxy_get_shared_data: 't---',
  proxy_register_shared_queue: 't-',
  proxy_resolve_shared_queue: 'tt-',
  proxy_enqueue_shared_queue: 'nt',
  proxy_dequeue_shared_queue: 'n--',
  proxy_define_metric: 'nt-',
  proxy_increment_metric: 'nn',
  proxy_record_metric: 'nn',
  proxy_get_metric: 'n-',
  proxy_get_property: 'q--',
  proxy_set_property: 'qt',
  proxy_call_foreign_function: 'tt--',
  proxy_set_effective_context: 'n',
};

const MAX_TEXT = 64 * 1024;

/** The guest's fuel, once it is linked; null: it is not metered. */
interface Metered {
  readonly fuel: FuelGauge | null;
}

/** The host functions of the guest of this memory, watched. WASI's are a language's affair and not told. */
export function observedFunctions(
  memory: GuestMemory,
  table: Record<string, Record<string, HostFunction>>,
  observer: Observer,
): Record<string, Record<string, HostFunction>> {
  const env: Record<string, HostFunction> = {};
  for (const [name, run] of Object.entries(table.env)) {
    env[name] = Object.hasOwn(HOST_FUNCTIONS, name)
      ? (...parameters: never[]) => {
          observer.hostCall?.(name, () => argumentsOf(memory, PARAMETERS[name] ?? '', parameters));
          return run(...parameters);
        }
      : run;
  }
  return { ...table, env };
}

export function observedCallback(name: string, run: Callback, instance: Metered, observer: Observer): Callback {
  return (...parameters) => {
    let result: number | undefined;
    const before = instance.fuel?.used ?? 0;
    observer.entered?.(name);
    try {
      result = run(...parameters);
    } catch (error) {
      observer.trapped(name, trapText(error, instance));
      throw error;
    }
    observer.returned(name, result, (instance.fuel?.used ?? 0) - before);
    return result;
  };
}

export function observedMalloc(run: Callback, observer: Observer): Callback {
  return (size) => {
    observer.allocated?.(size);
    return run(size);
  };
}

function argumentsOf(memory: GuestMemory, shape: string, parameters: readonly (number | bigint)[]): HostArgument[] {
  memory.attach();
  const args: HostArgument[] = [];
  let at = 0;
  for (const kind of shape) {
    const parameter = parameters[at++];
    if (kind === '-') continue;
    if (kind === 's' || typeof parameter === 'bigint') args.push(Number(parameter));
    else if (kind === 'n') args.push(parameter >>> 0);
    if (kind === 'n' || kind === 's') continue;
    const pointer = Number(parameter) >>> 0;
    const length = Number(parameters[at++]) >>> 0;
    if (!memory.holds(pointer, length)) args.push('(outside of the memory)');
    else if (kind === 'p') args.push(decodePairs(memory.bytes.subarray(pointer, pointer + length)));
    else {
      const text = memory.utf8(pointer, Math.min(length, MAX_TEXT));
      args.push(kind === 'q' ? text.replace(/\0$/, '').replaceAll('\0', '.') : text);
    }
  }
  return args;
}
