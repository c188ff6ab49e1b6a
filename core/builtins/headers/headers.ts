// The configuration of the headers filter, which a FilterChain inserts. layout.ts draws its bytes.

import { headerName, headerNameRule, headerValue } from '../../config/formats.ts';
import { array, map, object, optional, type Static } from '../../config/schema.ts';
import { FRAMING } from '../../wasm/abi/header-map.ts';
import type { Builtin } from '../builtin.ts';
import { configured } from '../configured.ts';
import { list, text, u8 } from '../encoding.ts';
import { decodeConfig } from '../inserted.ts';
import { VERSION } from './layout.ts';

const values = map(headerValue, headerNameRule);
const Changes = object(
  { set: optional(values), add: optional(values), remove: optional(array(headerName)) },
  {
    check({ set = {}, add = {}, remove = [] }, report) {
      remove.forEach((name, at) => {
        if (FRAMING.has(name.toLowerCase())) report.error(['remove', at], 'framing', framed(name));
      });
      for (const [field, changed] of Object.entries({ set, add })) {
        for (const name of Object.keys(changed)) {
          if (FRAMING.has(name.toLowerCase())) report.error([field, name], 'framing', framed(name));
        }
      }
    },
  },
);
const Config = object({ request: optional(Changes), response: optional(Changes) });

export const headers = {
  inserted: {
    configure(config) {
      const { request, response } = decodeConfig(Config, config);
      return configured('headers', Buffer.concat([u8(VERSION), changes(request), changes(response)]));
    },
  },
} satisfies Builtin;

function changes({ set = {}, add = {}, remove = [] }: Static<typeof Changes> = {}): Buffer {
  const pair = ([name, value]: readonly [string, string]): Buffer =>
    Buffer.concat([text(name.toLowerCase()), text(value)]);
  return Buffer.concat([
    list(remove, (name) => text(name.toLowerCase())),
    list(Object.entries(set), pair),
    list(Object.entries(add), pair),
  ]);
}

function framed(name: string): string {
  return `${name} belongs to the connection or to the body: the proxy writes it`;
}
