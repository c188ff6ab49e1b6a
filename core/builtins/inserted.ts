// What a FilterChain says of a built-in filter that it inserts, decoded: JSON of a shape, or one line that says what is wrong.

import type { Static, TSchema } from '../config/schema.ts';
import { type Finding, pointer, walk } from '../config/walk.ts';
import type { JsonObject } from './builtin.ts';

/** Throws an Error whose message is one line: where, and why. */
export function decodeConfig<Schema extends TSchema>(schema: Schema, config: JsonObject): Static<Schema> {
  const findings: Finding[] = [];
  const decoded = walk(schema, config, [], findings);
  const fault = findings.find(({ severity }) => severity === 'error');
  if (fault === undefined) return decoded as Static<Schema>;
  throw new Error(fault.path.length === 0 ? fault.message : `${pointer(fault.path)}: ${fault.message}`);
}
