// Large answers in pieces: others have their turn between them, and none is put together as a whole.
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';

/** Values that are made into text without a pause. */
const SLICE = 100;

/** JSON of an object: some fields as they are, and one that is a list of which each value is JSON. */
export function sendList(reply: FastifyReply, head: object, field: string, items: Iterable<string>): FastifyReply {
  const [open, close] = [JSON.stringify(head).slice(0, -1), Object.keys(head).length === 0 ? '' : ','];
  async function* pieces(): AsyncGenerator<string> {
    let piece = `${open}${close}${JSON.stringify(field)}:[`;
    let count = 0;
    for (const item of items) {
      piece += count === 0 ? item : `,${item}`;
      if (++count % SLICE !== 0) continue;
      yield piece;
      piece = '';
      await turn();
    }
    yield `${piece}]}`;
  }
  return sendJson(reply, Readable.from(pieces(), { objectMode: false }));
}

/** What is JSON already. */
export function sendJson(reply: FastifyReply, json: string | Readable): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(json);
}

export function* jsonOf(values: Iterable<unknown>): Iterable<string> {
  for (const value of values) yield JSON.stringify(value);
}
