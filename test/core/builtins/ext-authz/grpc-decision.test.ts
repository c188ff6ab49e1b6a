import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyEdit, removeField } from '../../../../core/builtins/ext-authz/check.ts';
import { editQuery } from '../../../../core/builtins/ext-authz/decision.ts';
import { grpcDecision } from '../../../../core/builtins/ext-authz/grpc-decision.ts';
import { MessageWriter } from '../../../../core/builtins/ext-authz/protobuf.ts';
import { Head } from '../../../../core/http/head.ts';
import { seeded } from '../../../fuzz/http1-grammar.ts';

function decided(message: Buffer, prefix: number[] = [0, 0, 0, 0, message.length]) {
  const head = Head.response(200);
  const trailers = Head.response(0, [['grpc-status', '0']]);
  return grpcDecision({ head, trailers, body: Buffer.concat([Buffer.from(prefix), message]) });
}

test('numbers are written as protocol buffers have them, negative ones as 64 bits', () => {
  const hex = (value: number): string => new MessageWriter().int(9, value).finish().toString('hex');
  assert.deepEqual([0, 1, 127, 128, 300].map(hex), ['', '4801', '487f', '488001', '48ac02']);
  assert.equal(hex(-1), '48ffffffffffffffffff01');
  assert.equal(hex(2 ** 40), '48808080808020');
});

test('a message that is compressed, cut off or not alone is a failed check, and an empty one allows', () => {
  assert.equal(decided(Buffer.alloc(0)).type, 'allowed');
  assert.equal(decided(Buffer.alloc(0), [1, 0, 0, 0, 0]).type, 'failed');
  assert.equal(decided(Buffer.alloc(0), [0, 0, 0, 0, 1]).type, 'failed');
  assert.equal(decided(Buffer.alloc(0), []).type, 'failed');
  assert.equal(decided(Buffer.from([0, 0, 0, 0, 0]), [0, 0, 0, 0, 0]).type, 'failed');
});

test('status decides, whatever else the answer has', () => {
  // Status { code = 7 }, ok_response {}
  assert.equal(decided(Buffer.from('0a0208071a00', 'hex')).type, 'denied');
  assert.equal(decided(Buffer.from('1200', 'hex')).type, 'allowed');
});

test('fields that are not known, of any type, are passed over', () => {
  // dynamic_metadata = 4, a fixed64 = 14, a fixed32 = 15, a number = 16
  const unknown = Buffer.from('220173710102030405060708'.concat('7d01020304', '800101'), 'hex');
  assert.equal(decided(unknown).type, 'allowed');
  assert.equal(decided(Buffer.from('0b', 'hex')).type, 'failed');
  assert.equal(decided(Buffer.from('02', 'hex')).type, 'failed');
});

test('an answer that changes more than is reasonable is a failed check', () => {
  const removing = (count: number) => {
    const ok = new MessageWriter();
    for (let i = 0; i < count; i++) ok.text(5, `x-${i}`);
    const message = new MessageWriter().message(3, ok).finish();
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    return decided(message, [...prefix]).type;
  };
  assert.deepEqual([removing(256), removing(257)], ['allowed', 'failed']);
});

test('whatever bytes come, there is a decision, and what it does leaves a head that may be written', () => {
  const header = new MessageWriter().text(1, 'x-a').text(2, 'v');
  const options = [0, 1, 2, 3].map((action) => new MessageWriter().message(1, header).int(3, action));
  const ok = new MessageWriter().text(5, 'x-b').message(7, header).text(8, 'q');
  for (const option of options) ok.message(2, option).message(6, option);
  const denied = new MessageWriter().message(1, new MessageWriter().int(1, 401)).message(2, options[0]).text(3, 'no');
  const seeds = [
    new MessageWriter().message(3, ok).finish(),
    new MessageWriter().message(1, new MessageWriter().int(1, 7)).message(2, denied).finish(),
  ];
  const types = new Set<string>();
  const random = seeded(1);
  const below = (most: number): number => Math.floor(random() * most);
  for (let i = 0; i < 5000; i++) {
    const bytes = Buffer.from(seeds[i % 2]);
    for (let n = below(4); n > 0; n--) bytes[below(bytes.length)] = below(256);
    const whole = random() < 0.7 ? bytes : bytes.subarray(0, below(bytes.length));
    const decision = decided(whole);
    types.add(decision.type);
    if (decision.type === 'denied') assert.ok(decision.status >= 200 && decision.status < 600);
    if (decision.type !== 'allowed') continue;
    const head = Head.request('GET', 'a.example', '/p?x-a=1&y', [['x-a', '1']]);
    for (const edit of decision.request) applyEdit(head, 'request', edit);
    for (const name of decision.remove) removeField(head, name);
    if (decision.query !== null) {
      const path = editQuery(head.path, decision.query);
      applyEdit(head, 'request', { name: ':path', value: path, how: 'set' });
    }
    assert.match(head.path, /^\/[\x21-\x7e\x80-\xff]*$/);
    for (let k = 0; k < head.size; k++) {
      if (head.nameAt(k) !== '')
        assert.match(`${head.nameAt(k)}:${head.valueAt(k)}`, /^[\w!#$%&'*+\-.^`|~]+:[^\0\r\n]*$/);
    }
  }
  assert.deepEqual([...types].sort(), ['allowed', 'denied', 'failed']);
});
