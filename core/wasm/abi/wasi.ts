// The part of WASI that filters' toolchains import: output to the log, clocks, randomness, configured environment. No
// files, no sockets; the answers are those of Envoy's host, which toolchains are known to survive.

import { GuestLog, type HostFunction } from './abi.ts';
import { GuestExit } from './abort.ts';
import type { Guest } from './guest.ts';
import { nanoseconds } from './host-log.ts';

/** Parameters ('i' = i32, 'I' = i64) of what we provide. All return i32, but proc_exit. */
export const WASI_FUNCTIONS: Readonly<Record<string, string>> = {
  args_get: 'ii',
  args_sizes_get: 'ii',
  clock_res_get: 'ii',
  clock_time_get: 'iIi',
  environ_get: 'ii',
  environ_sizes_get: 'ii',
  fd_advise: 'iIIi',
  fd_allocate: 'iII',
  fd_close: 'i',
  fd_datasync: 'i',
  fd_fdstat_get: 'ii',
  fd_fdstat_set_flags: 'ii',
  fd_filestat_get: 'ii',
  fd_filestat_set_size: 'iI',
  fd_pread: 'iiiIi',
  fd_prestat_dir_name: 'iii',
  fd_prestat_get: 'ii',
  fd_pwrite: 'iiiIi',
  fd_read: 'iiii',
  fd_readdir: 'iiiIi',
  fd_seek: 'iIii',
  fd_sync: 'i',
  fd_tell: 'ii',
  fd_write: 'iiii',
  path_create_directory: 'iii',
  path_filestat_get: 'iiiii',
  path_open: 'iiiiiIIii',
  path_readlink: 'iiiiii',
  path_remove_directory: 'iii',
  path_rename: 'iiiiii',
  path_unlink_file: 'iii',
  poll_oneoff: 'iiii',
  proc_exit: 'i',
  random_get: 'ii',
  sched_yield: '',
};

const ERRNO = { success: 0, bad: 8, fault: 21, invalid: 28, noEntry: 44, notCapable: 52, notSupported: 58 } as const;
const MAX_RANDOM = 64 * 1024;
const MAX_OUTPUT = 4096;

/** What needs no thought: toolchains probe these and go on. */
const CONSTANT: Readonly<Record<string, number>> = {
  args_get: ERRNO.success,
  fd_advise: ERRNO.success,
  fd_close: ERRNO.success,
  fd_fdstat_set_flags: ERRNO.notCapable,
  fd_filestat_get: ERRNO.bad,
  fd_prestat_dir_name: ERRNO.notCapable,
  fd_prestat_get: ERRNO.bad,
  fd_read: ERRNO.notCapable,
  fd_seek: ERRNO.success,
  path_filestat_get: ERRNO.notSupported,
  path_open: ERRNO.noEntry,
  sched_yield: ERRNO.success,
};

export function wasiFunctions(vm: Guest): Record<string, HostFunction> {
  const { memory, host } = vm;
  const environment = Object.entries(vm.env).map(([name, value]) => Buffer.from(`${name}=${value}\0`));

  const twoWords = (a: number, first: number, b: number, second: number): number => {
    memory.attach();
    if (!memory.holds(a >>> 0, 4) || !memory.holds(b >>> 0, 4)) return ERRNO.fault;
    memory.setU32(a >>> 0, first);
    memory.setU32(b >>> 0, second);
    return ERRNO.success;
  };

  const functions: Record<string, HostFunction> = {
    args_sizes_get: (countAt: number, bytesAt: number) => twoWords(countAt, 0, bytesAt, 0),
    environ_sizes_get: (countAt: number, bytesAt: number) =>
      twoWords(
        countAt,
        environment.length,
        bytesAt,
        environment.reduce((sum, one) => sum + one.length, 0),
      ),
    environ_get: (pointersAt: number, bytesAt: number) => {
      memory.attach();
      let pointer = pointersAt >>> 0;
      let at = bytesAt >>> 0;
      for (const one of environment) {
        if (!memory.holds(pointer, 4) || !memory.holds(at, one.length)) return ERRNO.fault;
        memory.setU32(pointer, at);
        memory.writeBytes(one, 0, one.length, at);
        pointer += 4;
        at += one.length;
      }
      return ERRNO.success;
    },
    clock_res_get: (_clock: number, out: number) => {
      memory.attach();
      if (!memory.holds(out >>> 0, 8)) return ERRNO.fault;
      memory.setU64(out >>> 0, 1n);
      return ERRNO.success;
    },
    clock_time_get: (clock: number, _precision: bigint, out: number) => {
      memory.attach();
      if (clock !== 0 && clock !== 1) return ERRNO.notSupported;
      if (!memory.holds(out >>> 0, 8)) return ERRNO.fault;
      memory.setU64(out >>> 0, nanoseconds(clock === 0 ? host.now() : performance.now()));
      return ERRNO.success;
    },
    random_get: (at: number, length: number) => {
      memory.attach();
      const from = at >>> 0;
      if (length >>> 0 > MAX_RANDOM) return ERRNO.invalid;
      if (!memory.holds(from, length >>> 0)) return ERRNO.fault;
      host.random(memory.bytes.subarray(from, from + (length >>> 0)));
      return ERRNO.success;
    },
    fd_write: (fd: number, vectors: number, count: number, writtenAt: number) => {
      memory.attach();
      if (fd !== 1 && fd !== 2) return ERRNO.bad;
      if (!memory.holds(writtenAt >>> 0, 4) || !memory.holds(vectors >>> 0, (count >>> 0) * 8)) return ERRNO.fault;
      let text = '';
      let written = 0;
      for (let i = 0, at = vectors >>> 0; i < count >>> 0; i++, at += 8) {
        const from = memory.u32(at);
        const length = memory.u32(at + 4);
        if (!memory.holds(from, length)) return ERRNO.fault;
        if (text.length < MAX_OUTPUT) text += memory.utf8(from, Math.min(length, MAX_OUTPUT));
        written += length;
      }
      memory.setU32(writtenAt >>> 0, written);
      const level = fd === 1 ? GuestLog.Info : GuestLog.Error;
      if (level >= host.logThreshold) vm.print(level, text);
      return ERRNO.success;
    },
    fd_fdstat_get: (fd: number, out: number) => {
      memory.attach();
      if (fd !== 1 && fd !== 2) return ERRNO.bad;
      if (!memory.holds(out >>> 0, 24)) return ERRNO.fault;
      memory.bytes.fill(0, out >>> 0, (out >>> 0) + 24);
      memory.setU64((out >>> 0) + 8, 64n);
      return ERRNO.success;
    },
    poll_oneoff: (_in: number, _out: number, _count: number, eventsAt: number) => {
      memory.attach();
      if (!memory.holds(eventsAt >>> 0, 4)) return ERRNO.fault;
      memory.setU32(eventsAt >>> 0, 0);
      return ERRNO.success;
    },
    proc_exit: (code: number) => {
      throw new GuestExit(code);
    },
  };
  for (const name of Object.keys(WASI_FUNCTIONS)) {
    const answer = CONSTANT[name] ?? ERRNO.notSupported;
    functions[name] ??= () => answer;
  }
  return functions;
}
