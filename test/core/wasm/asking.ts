// A guest that asks another service whether a request may pass, the way the public SDKs do it: it pauses, calls, and in the
// answer's callback, which is the root's, speaks for the stream.

import { encodePairs, type Pair } from '../../../core/wasm/abi/pairs.ts';
import { filter, REQUEST_HEADERS } from '../../plugins/wat.ts';

export interface Question {
  readonly upstream: string;
  readonly headers?: readonly Pair[];
  readonly body?: string;
  readonly trailers?: readonly Pair[];
  readonly timeoutMs?: number;
  /** More functions of the guest. */
  readonly more?: string;
}

export const CHECK: readonly Pair[] = [
  [':method', 'POST'],
  [':path', '/check'],
  [':authority', 'authz'],
  ['X-Asked-By', 'guest'],
];

/**
 * Its answer: 200 continues, with the header `x-verdict` from the body; another status is replied with that body; no
 * answer is replied 504 with the text of proxy_get_status. A call that cannot be made is 500, and its status the details.
 */
export function asking(question: Question): Uint8Array {
  const pairs = (list: readonly Pair[]): string => encodePairs(list).toString('latin1');
  return filter(
    `(func $reply (param $code i32) (param $at i32) (param $length i32)
      (drop (call $proxy_send_local_response (local.get $code) (i32.const 0) (i32.const 0)
        (local.get $at) (local.get $length) (i32.const 0) (i32.const 0) (i32.const -1))))
    ${REQUEST_HEADERS}
      (local $status i32)
      (local.set $status (call $proxy_http_call (TEXT upstream) (TEXT headers) (TEXT body) (TEXT trailers)
        (i32.const ${question.timeoutMs ?? 0}) (i32.const 64)))
      (if (local.get $status) (then
        (i32.store8 (i32.const 80) (i32.add (i32.const 48) (local.get $status)))
        (call $reply (i32.const 500) (i32.const 80) (i32.const 1))
        (return (i32.const 1))))
      ;; The stream that waits for call n is remembered on the second page.
      (i32.store (i32.add (i32.const 65536) (i32.mul (i32.const 4) (i32.load (i32.const 64)))) (local.get $ctx))
      (i32.const 1))
    (func (export "proxy_on_http_call_response")
      (param $root i32) (param $id i32) (param $headers i32) (param $size i32) (param $trailers i32)
      (if (call $proxy_set_effective_context
            (i32.load (i32.add (i32.const 65536) (i32.mul (i32.const 4) (local.get $id))))) (then (return)))
      (if (i32.eqz (local.get $headers)) (then
        (drop (call $proxy_get_status (i32.const 64) (i32.const 68) (i32.const 72)))
        (call $reply (i32.const 504) (i32.load (i32.const 68)) (i32.load (i32.const 72)))
        (return)))
      (drop (call $proxy_get_header_map_value (i32.const 6) (TEXT status) (i32.const 68) (i32.const 72)))
      (local.set $headers (i32.load8_u (i32.load (i32.const 68))))
      (drop (call $proxy_get_buffer_bytes (i32.const 4) (i32.const 0) (local.get $size) (i32.const 68) (i32.const 72)))
      (if (i32.eq (local.get $headers) (i32.const 50)) (then
        (drop (call $proxy_add_header_map_value (i32.const 0) (TEXT verdict)
          (i32.load (i32.const 68)) (i32.load (i32.const 72))))
        (drop (call $proxy_continue_stream (i32.const 0)))
        (return)))
      (call $reply (i32.const 403) (i32.load (i32.const 68)) (i32.load (i32.const 72))))
    ${question.more ?? ''}`,
    {
      memory: '(memory (export "memory") 2)',
      texts: {
        upstream: question.upstream,
        headers: pairs(question.headers ?? CHECK),
        body: question.body ?? '',
        trailers: pairs(question.trailers ?? []),
        status: ':status',
        verdict: 'x-verdict',
      },
      imports: [
        ['proxy_http_call', 'i32 i32 i32 i32 i32 i32 i32 i32 i32 i32'],
        ['proxy_set_effective_context', 'i32'],
        ['proxy_get_status', 'i32 i32 i32'],
        ['proxy_get_header_map_value', 'i32 i32 i32 i32 i32'],
        ['proxy_get_buffer_bytes', 'i32 i32 i32 i32 i32'],
        ['proxy_add_header_map_value', 'i32 i32 i32 i32 i32'],
        ['proxy_continue_stream', 'i32'],
        ['proxy_send_local_response', 'i32 i32 i32 i32 i32 i32 i32 i32'],
      ],
    },
  );
}
