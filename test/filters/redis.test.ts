import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counting, dice, inPieces } from './commands.ts';

const HERE = '{envoy_redis_prefix="here"}';
const COMMANDS = `envoy_redis_downstream_rq_total${HERE}`;
const MALFORMED = `envoy_redis_downstream_cx_protocol_error${HERE}`;
const of = (command: string, what: string): string => `envoy_redis_command_${command}_${what}${HERE}`;

function ask(...words: (string | Buffer)[]): Buffer {
  const parts = words.map((word) => Buffer.concat([Buffer.from(`$${word.length}\r\n`), Buffer.from(word), EOL]));
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
}
const EOL = Buffer.from('\r\n');

/** What a service has counted of one connection with these words, in pieces of `size` bytes. */
function counted(asked: readonly Buffer[], answered: string, size: number): Record<string, number> {
  const counting = new Counting('redis');
  const connection = counting.open();
  inPieces(connection, 'downstream', Buffer.concat(asked), size);
  inPieces(connection, 'upstream', Buffer.from(answered, 'latin1'), size);
  connection.end();
  const counts = counting.counts();
  counting.close();
  return counts;
}

const ASKED = [
  ask('SET', 'a', Buffer.alloc(300, '\r\n*1')),
  ask('get', 'a'),
  ask('GeT', 'b'),
  Buffer.from('PING\r\n'),
  ask('INCR', 'a'),
  ask('MULTI'),
  ask('EXEC'),
  ask('HGETALL', ''),
  ask('MY.COMMAND', '1'),
];
const ANSWERED =
  '+OK\r\n$5\r\n\r\n*1\r\r\n$-1\r\n+PONG\r\n-WRONGTYPE no number\r\n+OK\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n' +
  '|1\r\n+ttl\r\n:3\r\n%1\r\n$1\r\nf\r\n>2\r\n+a\r\n_\r\n' +
  '>2\r\n$10\r\ninvalidate\r\n*0\r\n!3\r\nerr\r\n';

for (const size of [1, 2, 3, 7, 64, 100_000]) {
  test(`redis: commands, answers, errors and times are counted, whatever pieces of ${size} bytes they come in`, () => {
    const one = (command: string, failed = false) => ({
      [of(command, 'total')]: 1,
      [of(command, failed ? 'error' : 'success')]: 1,
      [of(command, 'latency')]: 1,
    });
    assert.deepEqual(counted(ASKED, ANSWERED, size), {
      ...{ [COMMANDS]: ASKED.length },
      ...{ [of('get', 'total')]: 2, [of('get', 'success')]: 2, [of('get', 'latency')]: 2 },
      ...{ ...one('set'), ...one('ping'), ...one('incr', true), ...one('multi'), ...one('exec'), ...one('hgetall') },
      ...one('other', true),
    });
  });
}

test('redis: a connection that subscribes says what nobody asked for, and only its commands are counted from then on', () => {
  for (const stop of [ask('SUBSCRIBE', 'a'), ask('MONITOR'), ask('CLIENT', 'REPLY', 'OFF'), ask('PSYNC', '?', '-1')]) {
    const counts = counted([ask('PING'), stop, ask('PING')], '+PONG\r\n*3\r\nanything at all', 5);
    const { [COMMANDS]: commands, [of('ping', 'success')]: pongs, [of('ping', 'total')]: pings } = counts;
    assert.deepEqual([commands, pings, pongs, counts[MALFORMED]], [3, 2, 1, undefined]);
  }
});

test('redis: what it cannot read is counted once for a connection and passes', () => {
  const bad = [
    '*x\r\n',
    '*1\r\n+a\r\n',
    '*1\r\n$600000000\r\n',
    '*2000000\r\n',
    '*1\r\n$1\r\nab\r\n',
    '\x16\x03\x01\x02',
  ];
  for (const asked of bad) {
    assert.equal(
      counted([ask('PING'), Buffer.from(asked, 'latin1'), ask('PING')], '+PONG\r\n', 3)[MALFORMED],
      1,
      asked,
    );
  }
  for (const answered of ['HTTP/1.1 200 OK\r\n', '$x\r\n', '$1\r\nab\r\n', '*-2\r\n', '$99999999999999\r\n']) {
    const counts = counted([ask('PING'), ask('PING')], answered, 3);
    assert.deepEqual([counts[MALFORMED], counts[COMMANDS]], [1, 2], answered);
  }
});

test('redis: thousands of commands wait for their replies; with more than that only commands are counted', () => {
  for (const [many, replies] of [
    [8000, 8000],
    [9000, 8192],
  ]) {
    const asked = new Array<Buffer>(many).fill(ask('GET', 'a'));
    const counts = counted(asked, '$1\r\na\r\n'.repeat(many), 60_000);
    assert.deepEqual([counts[of('get', 'total')], counts[of('get', 'latency')]], [many, replies]);
  }
});

test('redis: names are bounded, however many commands a client makes up', () => {
  const counts = counted(
    Array.from({ length: 500 }, (_, i) => ask(`made-up-${i}`)).concat(ask('x'.repeat(5000))),
    '',
    100_000,
  );
  assert.deepEqual(counts, { [COMMANDS]: 501, [of('other', 'total')]: 501 });
});

test('redis: no bytes make it trap, hold or change anything', () => {
  const random = dice(7);
  const counting = new Counting('redis');
  const seeds = [Buffer.concat(ASKED), Buffer.from(ANSWERED, 'latin1')];
  for (let round = 0; round < 300; round++) {
    const connection = counting.open();
    for (const side of ['downstream', 'upstream'] as const) {
      const bytes = Buffer.from(seeds[random(2)]);
      for (let i = random(6); i > 0; i--)
        bytes[random(bytes.length)] = random(3) === 0 ? random(256) : bytes[random(bytes.length)];
      inPieces(connection, side, bytes, 1 + random(40));
    }
    connection.end();
  }
  counting.counts();
  counting.close();
});
