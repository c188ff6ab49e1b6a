// Large changes and whole states as they lie in objects: gzipped JSON with a resource on each line, so that they are written and
// read a few at a time. JSON without lines, as it was written before, is read as well.
//
//   state    [                        change   {"removals":["..."],"upserts":[
//            {"key":"...","body":...},          {"key":"...","body":...},
//            {"key":"...","body":...}           {"key":"...","body":...}
//            ]                                  ]}
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { type StoredResource, TooLargeError } from '../types.ts';
import { type Change, isChange, isStored, MAX_CHANGE_BYTES, MAX_STATE_BYTES } from './commit-format.ts';

/** JSON of a change with less than that is sent as it is: every proxy unpacks the others. */
const SHORT_BYTES = 1_024;
const INLINE = 'gzip:';
const LINE_FEED = 10;
const COMMA = 44;
/** Written or read without a pause. */
const SLICE_BYTES = 64 * 1024;

/** JSON of a change. Throws TooLargeError when it has more bytes than go. */
export function changeText({ upserts, removals }: Change): Promise<Uint8Array> {
  return text(`{"removals":${JSON.stringify(removals)},"upserts":[`, upserts, ']}', MAX_CHANGE_BYTES);
}

/** JSON of a whole state. Throws TooLargeError when it has more bytes than go. */
export function stateText(resources: Iterable<StoredResource>): Promise<Uint8Array> {
  return text('[', resources, ']', MAX_STATE_BYTES);
}

export function pack(json: Uint8Array): Promise<Uint8Array> {
  return promisify(gzip)(json, { level: 1 });
}

export function isShort(json: Uint8Array): boolean {
  return json.byteLength < SHORT_BYTES;
}

/** As a commit message carries it itself: endpoints and rules are alike, and shrink to a tenth. */
export async function packInline(json: Uint8Array): Promise<string> {
  return INLINE + Buffer.from(await pack(json)).toString('base64');
}

/** null: it is the digest of an object that holds it. */
export function inlinePack(packed: string): Uint8Array | null {
  return packed.startsWith(INLINE) ? Buffer.from(packed.slice(INLINE.length), 'base64') : null;
}

export async function unpackChange(bytes: Uint8Array): Promise<Change> {
  const json = await promisify(gunzip)(bytes, { maxOutputLength: MAX_CHANGE_BYTES });
  const { rest, lines } = await parse(json);
  const value = lines === null ? rest : { ...(rest as object), upserts: lines };
  if (!isChange(value)) throw new TypeError('the object is no change');
  return value;
}

export async function unpackState(bytes: Uint8Array): Promise<Map<string, unknown>> {
  const json = await promisify(gunzip)(bytes, { maxOutputLength: MAX_STATE_BYTES });
  const { rest, lines } = await parse(json);
  const value = lines ?? rest;
  if (!Array.isArray(value) || !value.every(isStored)) throw new TypeError('the object is no state');
  return new Map(value.map((stored) => [stored.key, stored.body]));
}

async function text(
  open: string,
  resources: Iterable<StoredResource>,
  close: string,
  limit: number,
): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let bytes = 0;
  let part = open;
  const flush = (): void => {
    const written = Buffer.from(part);
    part = '';
    bytes += written.byteLength;
    if (bytes > limit) throw new TooLargeError(`too much configuration for one commit: at most ${limit} bytes go`);
    parts.push(written);
  };
  let before = '\n';
  for (const { key, body } of resources) {
    part += `${before}{"key":${JSON.stringify(key)},"body":${JSON.stringify(body)}}`;
    before = ',\n';
    if (part.length < SLICE_BYTES) continue;
    flush();
    await turn();
  }
  part += before === '\n' ? close : `\n${close}`;
  flush();
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

/** The values of the lines between the first and the last one, and that of these two; null: it is not laid out so. */
async function parse(json: Buffer): Promise<{ rest: unknown; lines: unknown[] | null }> {
  const first = json.indexOf(LINE_FEED);
  const last = json.lastIndexOf(LINE_FEED);
  if (first < 0 || first === last) return { rest: JSON.parse(String(json)), lines: null };
  const lines: unknown[] = [];
  let slice = 0;
  for (let at = first + 1; at <= last; ) {
    const end = json.indexOf(LINE_FEED, at);
    const own = json[end - 1] === COMMA ? end - 1 : end;
    lines.push(JSON.parse(json.toString('utf8', at, own)));
    slice += end - at;
    at = end + 1;
    if (slice < SLICE_BYTES) continue;
    slice = 0;
    await turn();
  }
  return { rest: JSON.parse(json.toString('utf8', 0, first) + json.toString('utf8', last + 1)), lines };
}
