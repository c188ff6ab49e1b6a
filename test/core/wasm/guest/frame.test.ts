// Guests that are spared calls do the same as when they are called as every host would call them.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { FilterFactory } from '../../../../core/exchange/filter.ts';
import { Head } from '../../../../core/http/head.ts';
import { mapPairs } from '../../../../core/http/pseudo-headers.ts';
import type { PluginSpec } from '../../../../core/wasm/guest/spec.ts';
import { fixtureFilter } from '../../../filters/fixture.ts';
import { type LogLine, plain, runtimeFor, specFor, TestStream } from '../harness.ts';

const NAMES = ['cookie', 'Accept', 'accept', 'x-a', 'X-A', 'x-b', 'x-long', 'x-empty', 'set-cookie', 'user-agent'];
const STEPS = 'ggggggggddhhsarqqqqqqufpx';

interface Side {
  readonly factory: FilterFactory;
  readonly lines: LogLine[];
}

let spec: PluginSpec;

before(async () => {
  spec = specFor(await fixtureFilter('fixtures/program.ts'));
});

/** A guest that is spared calls, and one that is not. */
function bothSides(): readonly Side[] {
  return [true, false].map((frames) => {
    const { runtime, lines } = runtimeFor({ frames });
    return { factory: runtime.configure(spec), lines };
  });
}

/** Always the same numbers for the same seed. */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** As a codec leaves it: most fields as spans, some added by filters before, some removed. */
function randomHead(draw: (below: number) => number, request: boolean): () => Head {
  const fields: [string, string][] = [];
  for (let count = draw(12); count > 0; count--) {
    const name = NAMES[draw(NAMES.length)];
    fields.push([name, name === 'x-empty' ? '' : 'v'.repeat(name === 'x-long' ? draw(5000) : draw(60))]);
  }
  let program = '';
  for (let count = draw(24); count > 0; count--) {
    program += STEPS[draw(STEPS.length - (draw(20) === 0 ? 0 : 2))] + String.fromCharCode(48 + draw(44));
  }
  fields.splice(draw(fields.length + 1), 0, ['x-program', program]);
  const received = draw(fields.length + 1);
  const removed = draw(4) === 0 ? draw(fields.length) : -1;
  const changed = draw(3) === 0;
  const length = draw(3) - 1;
  return () => {
    const spans: number[] = [];
    let text = request ? 'GET /path?query reviews:9080 ' : '';
    for (const [name, value] of fields.slice(0, received)) {
      spans.push(text.length, name.length, text.length + name.length + 2, value.length);
      text += `${name}: ${value}\r\n`;
    }
    const head = new Head(Buffer.from(text, 'latin1'), spans);
    if (request) {
      head.method = 'GET';
      Object.assign(head, { pathStart: 4, pathLength: 11, authorityStart: 16, authorityLength: 12 });
      if (changed) Object.assign(head, { newPath: '/another', newAuthority: 'ratings' });
    } else head.status = 200;
    head.contentLength = length;
    for (const [name, value] of fields.slice(received)) head.add(name, value);
    if (removed >= 0 && fields[removed][0] !== 'x-program') head.removeAt(removed);
    return head;
  };
}

function run({ factory, lines }: Side, requestHead: Head, responseHead: Head, seed: number): unknown {
  lines.length = 0;
  const stream = new TestStream(requestHead, {
    sourcePrincipal: seed % 3 === 0 ? '' : `cluster.local/ns/default/sa/${'a'.repeat(seed % 200)}`,
    direction: seed % 2 === 0 ? 'inbound' : 'outbound',
    responseHead,
  });
  const filter = factory.open(stream, seed % 4 === 0 ? null : plain(Buffer.alloc(seed % 5000, 'c')));
  const request = filter.head('request', requestHead, true);
  stream.responseHead = responseHead;
  const response = filter.head('response', responseHead, true);
  filter.done();
  return {
    request,
    response,
    log: lines.map(({ message }) => message),
    replies: stream.replies,
    state: [...stream.state].map(([name, value]) => [name, String(value)]),
    requestPairs: mapPairs(requestHead, 'request'),
    responsePairs: mapPairs(responseHead, 'response'),
  };
}

test('every effect of random programs on random heads is the same with the frame and without', () => {
  let sides = bothSides();
  let spoke = 0;
  for (let seed = 1; seed <= 500; seed++) {
    // A frame holds what is asked for first.
    if (seed % 20 === 0) sides = bothSides();
    const draw = chance(seed);
    const request = randomHead(draw, true);
    const response = randomHead(draw, false);
    const [framed, called] = sides.map((side) => run(side, request(), response(), seed));
    assert.deepEqual(framed, called, `seed ${seed}`);
    spoke += (framed as { log: string[] }).log.length;
  }
  assert.ok(spoke > 2000, `${spoke} values were compared`);
});

test('a header that was read is found without a call in the requests that follow', () => {
  const asked = bothSides().map(({ factory, lines }) => {
    const counts: number[] = [];
    for (const agent of ['first', 'second', 'third']) {
      lines.length = 0;
      const stream = new TestStream();
      const head = Head.request('GET', 'reviews', '/', [
        ['user-agent', agent],
        ['x-program', `g${String.fromCharCode(66 + 16)}`],
      ]);
      let calls = 0;
      const count = (): Head => {
        calls++;
        return head;
      };
      Object.defineProperty(stream, 'requestHead', { get: count });
      const filter = factory.open(stream, null);
      filter.head('request', head, true);
      filter.done();
      counts.push(calls);
      assert.deepEqual(
        lines.map(({ message }) => message),
        [`test: user-agent=${agent}`],
      );
    }
    return counts;
  });
  assert.deepEqual(asked, [
    [2, 0, 0],
    [2, 2, 2],
  ]);
});
