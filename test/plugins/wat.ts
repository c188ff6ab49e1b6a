// Guests of the tests of `plugins/`: small filters in WebAssembly text that say and do what a test wants.

import { env, guest } from '../core/wasm/guests.ts';

interface Parts {
  /** Texts by name: `(TEXT name)` in the body is its address and length. */
  readonly texts?: Readonly<Record<string, string>>;
  readonly imports?: readonly (readonly [string, string])[];
  readonly abi?: string;
  readonly memory?: string;
}

const FIRST_TEXT = 1024;

/** A guest whose body may say `(TEXT name)` for a pointer and a length. */
export function filter(body: string, parts: Parts = {}): Uint8Array {
  let at = FIRST_TEXT;
  let data = '';
  let text = body;
  for (const [name, value] of Object.entries(parts.texts ?? {})) {
    const bytes = Buffer.from(value);
    const escaped = Array.from(bytes, (byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
    data += `(data (i32.const ${at}) "${escaped}")\n`;
    text = text.replaceAll(`(TEXT ${name})`, `(i32.const ${at}) (i32.const ${bytes.length})`);
    at += bytes.length;
  }
  return guest({
    abi: parts.abi,
    memory: parts.memory,
    imports: (parts.imports ?? []).map(([name, parameters]) => env(name, parameters)).join('\n'),
    body: data + text,
  });
}

export const REQUEST_HEADERS =
  '(func (export "proxy_on_request_headers") (param $ctx i32) (param $n i32) (param $eos i32) (result i32)';
export const REQUEST_BODY =
  '(func (export "proxy_on_request_body") (param $ctx i32) (param $size i32) (param $eos i32) (result i32)';
export const RESPONSE_HEADERS =
  '(func (export "proxy_on_response_headers") (param $ctx i32) (param $n i32) (param $eos i32) (result i32)';
export const CONFIGURE = '(func (export "proxy_on_configure") (param $root i32) (param $size i32) (result i32)';

const TEXT_AND_RESULT = 'i32 i32 i32 i32 i32';

/** A filter that uses a bit of everything: adds a header, logs, counts, asks for a property, upper-cases nothing. */
export function busy(): Uint8Array {
  return filter(
    `${REQUEST_HEADERS}
      (drop (call $proxy_log (i32.const 2) (TEXT hello)))
      (drop (call $proxy_add_header_map_value (i32.const 0) (TEXT name) (TEXT value)))
      (drop (call $proxy_define_metric (i32.const 0) (TEXT metric) (i32.const 64)))
      (drop (call $proxy_increment_metric (i32.load (i32.const 64)) (i64.const 3)))
      (drop (call $proxy_get_property (TEXT path) (i32.const 68) (i32.const 72)))
      (if (i32.load (i32.const 72)) (then
        (drop (call $proxy_log (i32.const 3) (i32.load (i32.const 68)) (i32.load (i32.const 72))))))
      (i32.const 0))
    ${RESPONSE_HEADERS}
      (drop (call $proxy_replace_header_map_value (i32.const 2) (TEXT name) (TEXT value)))
      (i32.const 0))`,
    {
      texts: { hello: 'grüß dich', name: 'x-busy', value: 'yes', metric: 'busy_total', path: 'source\0address' },
      imports: [
        ['proxy_log', 'i32 i32 i32'],
        ['proxy_add_header_map_value', TEXT_AND_RESULT],
        ['proxy_replace_header_map_value', TEXT_AND_RESULT],
        ['proxy_define_metric', 'i32 i32 i32 i32'],
        ['proxy_increment_metric', 'i32 i64'],
        ['proxy_get_property', 'i32 i32 i32 i32'],
      ],
    },
  );
}

/** Answers 403 with a body and a header. */
export function denying(): Uint8Array {
  return filter(
    `${REQUEST_HEADERS}
      (drop (call $proxy_send_local_response (i32.const 403) (TEXT details) (TEXT body) (TEXT pairs) (i32.const -1)))
      (i32.const 1))`,
    {
      texts: { details: 'not_today', body: 'no\n', pairs: '\x01\0\0\0\x03\0\0\0\x03\0\0\0x-a\0yes\0' },
      imports: [['proxy_send_local_response', 'i32 i32 i32 i32 i32 i32 i32 i32']],
    },
  );
}
