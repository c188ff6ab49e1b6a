import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counting, dice, inPieces } from './commands.ts';

const HERE = 'envoy_mongo_prefix="here"';
const MALFORMED = `envoy_mongo_decoding_error{${HERE}}`;
const of = (command: string, what: string): string => `${what}{envoy_mongo_cmd="${command}",${HERE}}`;
const TOTAL = 'envoy_mongo_cmd_total';
const TIME = 'envoy_mongo_cmd_reply_time_ms';
const ERRORS = 'weft_mongo_cmd_errors_total';

function i32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeInt32LE(value, i * 4);
  return bytes;
}

/** Elements: type, name, bytes of the value. */
function document(...elements: (readonly [type: number, name: string, value: Buffer])[]): Buffer {
  const body = elements.map(([type, name, value]) =>
    Buffer.concat([Buffer.from([type]), Buffer.from(`${name}\0`), value]),
  );
  const whole = Buffer.concat([...body, Buffer.of(0)]);
  return Buffer.concat([i32(whole.length + 4), whole]);
}

const string = (value: string): Buffer => Buffer.concat([i32(value.length + 1), Buffer.from(`${value}\0`)]);
const double = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
};

function message(id: number, answers: number, opcode: number, body: Buffer): Buffer {
  return Buffer.concat([i32(16 + body.length, id, answers, opcode), body]);
}

const section = (body: Buffer): Buffer => Buffer.concat([Buffer.of(0), body]);
const OP_MSG = 2013;

function command(id: number, name: string, flags = 0, before = Buffer.alloc(0)): Buffer {
  const body = document([0x02, name, string('orders')], [0x02, '$db', string('shop')]);
  return message(id, 0, OP_MSG, Buffer.concat([i32(flags), before, section(body)]));
}

function answer(to: number, ...elements: Parameters<typeof document>): Buffer {
  return message(900 + to, to, OP_MSG, Buffer.concat([i32(0), section(document(...elements))]));
}

const OK = [0x01, 'ok', double(1)] as const;
const FAILED = [0x01, 'ok', double(0)] as const;
/** A value of each type that there is. */
const EVERYTHING = [
  [0x01, 'a', double(0)],
  [0x02, 'okay', string('ok')],
  [0x03, 'cursor', document([0x10, 'ok', i32(0)], [0x04, 'firstBatch', document([0x03, '0', document(OK)])])],
  [0x05, 'b', Buffer.concat([i32(3), Buffer.of(0, 1, 2, 3)])],
  [0x06, 'c', Buffer.alloc(0)],
  [0x07, '_id', Buffer.alloc(12, 1)],
  [0x08, 'd', Buffer.of(0)],
  [0x09, 'e', Buffer.alloc(8)],
  [0x0a, 'f', Buffer.alloc(0)],
  [0x0b, 'g', Buffer.from('a.*\0i\0')],
  [0x0c, 'h', Buffer.concat([string('x'), Buffer.alloc(12)])],
  [0x0d, 'i', string('code')],
  [0x0f, 'j', Buffer.concat([i32(4 + 6 + 5), string('x'), document()])],
  [0x10, 'k', i32(0)],
  [0x11, 'l', Buffer.alloc(8)],
  [0x12, 'm', Buffer.alloc(8)],
  [0x13, 'n', Buffer.alloc(16)],
  [0x7f, 'o', Buffer.alloc(0)],
  [0xff, 'p', Buffer.alloc(0)],
] as const;
/** OP_MSG's section of documents that are inserted. */
const ROWS = Buffer.concat([Buffer.of(1), i32(4 + 10 + 5), Buffer.from('documents\0'), document()]);

const ASKED = [
  message(
    1,
    0,
    2004,
    Buffer.concat([i32(0), Buffer.from('admin.$cmd\0'), i32(0, -1), document([0x10, 'ismaster', i32(1)])]),
  ),
  command(2, 'find'),
  command(3, 'insert', 0, ROWS),
  command(4, 'insert'),
  command(5, 'aggregate'),
  command(6, 'update', 2), // nobody answers
  command(7, 'madeUp'),
  command(8, 'find', 0x10000), // answered by several
];
const ANSWERED = [
  message(901, 1, 1, Buffer.concat([i32(8, 0, 0, 0, 1), document([0x08, 'ismaster', Buffer.of(1)], OK)])),
  // Out of order.
  answer(3, [0x10, 'n', i32(1)], OK),
  answer(2, ...EVERYTHING, OK),
  answer(4, [0x10, 'n', i32(0)], [0x04, 'writeErrors', document()], OK),
  answer(5, FAILED, [0x02, 'errmsg', string('no such stage')], [0x10, 'code', i32(40324)]),
  answer(7, [0x10, 'ok', i32(1)]),
  answer(8, OK),
  answer(908, OK),
];

function counted(asked: Buffer, answered: Buffer, size: number): Record<string, number> {
  const counting = new Counting('mongo');
  const connection = counting.open();
  inPieces(connection, 'downstream', asked, size);
  inPieces(connection, 'upstream', answered, size);
  connection.end();
  const counts = counting.counts();
  counting.close();
  return counts;
}

for (const size of [1, 2, 3, 7, 64, 100_000]) {
  test(`mongo: commands, answers, errors and times are counted, whatever pieces of ${size} bytes they come in`, () => {
    assert.deepEqual(counted(Buffer.concat(ASKED), Buffer.concat(ANSWERED), size), {
      ...{ [of('ismaster', TOTAL)]: 1, [of('ismaster', TIME)]: 1, [of('find', TOTAL)]: 2, [of('find', TIME)]: 2 },
      ...{ [of('insert', TOTAL)]: 2, [of('insert', TIME)]: 2, [of('insert', ERRORS)]: 1 },
      ...{ [of('aggregate', TOTAL)]: 1, [of('aggregate', TIME)]: 1, [of('aggregate', ERRORS)]: 1 },
      ...{ [of('update', TOTAL)]: 1, [of('other', TOTAL)]: 1, [of('other', TIME)]: 1 },
    });
  });
}

test('mongo: what is compressed counts as other, and its answer as one', () => {
  const squeezed = Buffer.concat([i32(OP_MSG, 20), Buffer.alloc(30, 7)]);
  const counts = counted(message(5, 0, 2012, squeezed), message(6, 5, 2012, squeezed), 10);
  assert.deepEqual(counts, { [of('other', TOTAL)]: 1, [of('other', TIME)]: 1 });
});

test('mongo: an answer without documents is one, and a query that failed is an error', () => {
  const query = Buffer.concat([i32(0), Buffer.from('admin.$cmd\0'), i32(0, -1), document([0x10, 'hello', i32(1)])]);
  const counts = counted(message(1, 0, 2004, query), message(2, 1, 1, i32(2, 0, 0, 0, 0)), 9);
  assert.deepEqual(counts, { [of('hello', TOTAL)]: 1, [of('hello', TIME)]: 1, [of('hello', ERRORS)]: 1 });
});

test('mongo: what it cannot read is counted once for a connection and passes', () => {
  const whole = command(1, 'find');
  const cut = Buffer.from(whole);
  cut.writeInt32LE(30, 0);
  const bad: Buffer[] = [
    Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    message(1, 0, 77, Buffer.alloc(4)),
    i32(8, 1, 0, OP_MSG),
    i32(100_000_000, 1, 0, OP_MSG),
    message(1, 0, OP_MSG, Buffer.concat([i32(0), Buffer.of(9)])),
    message(1, 0, OP_MSG, Buffer.alloc(0)),
    message(1, 0, OP_MSG, Buffer.concat([i32(0), Buffer.of(1), i32(-5)])),
    message(1, 0, OP_MSG, Buffer.concat([i32(0), Buffer.of(0), i32(1 << 30)])),
    cut,
  ];
  for (const [i, bytes] of bad.entries()) {
    const counts = counted(Buffer.concat([bytes, whole]), Buffer.alloc(0), 5);
    assert.equal(counts[MALFORMED], 1, `asked ${i}`);
  }
  for (const elements of [
    [[0x44, 'x', Buffer.alloc(9)]],
    [[0x02, 'x', i32(-1)]],
    [[0x03, 'x', i32(1 << 30)]],
  ] as const) {
    assert.equal(counted(whole, answer(1, ...elements), 5)[MALFORMED], 1);
  }
});

test('mongo: no bytes make it trap, hold or change anything', () => {
  const random = dice(11);
  const counting = new Counting('mongo');
  const seeds = [Buffer.concat(ASKED), Buffer.concat(ANSWERED)];
  for (let round = 0; round < 300; round++) {
    const connection = counting.open();
    for (const [i, side] of (['downstream', 'upstream'] as const).entries()) {
      const bytes = Buffer.from(seeds[i]);
      for (let n = random(6); n > 0; n--) bytes[random(bytes.length)] = random(256);
      inPieces(connection, side, bytes, 1 + random(40));
    }
    connection.end();
  }
  counting.counts();
  counting.close();
});
