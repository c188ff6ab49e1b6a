import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_REMOTE_KEYS } from '../../../core/builtins/authn/rules.ts';
import { createBuiltinMemory, foreignFunctions } from '../../../core/builtins/builtins.ts';
import { callForeign, checkForeign, type ForeignRow, words } from '../wasm/abi/foreign-rows.ts';
import { Calls } from '../wasm/calls.ts';
import { guest } from '../wasm/guests.ts';
import { plain } from '../wasm/harness.ts';

const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;
const TAKE_ONE = words(1, 0, 0, 0, 0, 0, 0, 0, 0, 0);

const foreign = foreignFunctions({
  ...{ shard: 0, memory: createBuiltinMemory(1), keys: NO_REMOTE_KEYS },
  upstreams: { find: () => null },
});

/** Of a built-in whose configuration has said nothing yet. */
const ROWS: Readonly<Record<string, ForeignRow>> = {
  weft_token_rules: { right: '{"rules":[],"locations":[]}' },
  weft_verify_token: { right: 'xxtoken', status: NOT_FOUND, root: BAD_ARGUMENT, wrong: [['x', BAD_ARGUMENT]] },
  weft_rate_limits: { right: '[]' },
  weft_take_tokens: { right: TAKE_ONE, status: NOT_FOUND, wrong: [['', NOT_FOUND]] },
  weft_ext_authz: { right: '[]' },
  weft_check: { right: 'x\0\0', status: NOT_FOUND, wrong: [['', NOT_FOUND]] },
  weft_check_answer: { right: '' },
  weft_matches: { right: words(0), status: BAD_ARGUMENT, wrong: [['x', BAD_ARGUMENT]] },
  weft_begin_fault: {
    right: words(1),
    root: BAD_ARGUMENT,
    wrong: [
      ['', BAD_ARGUMENT],
      [words(1, 2), BAD_ARGUMENT],
    ],
  },
};

function opened(builtin: boolean): Calls {
  return new Calls(guest({ pages: '80' }), undefined, { builtin: builtin ? plain(Buffer.alloc(0)) : null }, null, {
    foreign,
  });
}

test('there is a row for every function of the built-ins', () => {
  assert.deepEqual(Object.keys(ROWS).sort(), [...foreign.keys()].sort());
});

for (const [name, row] of Object.entries(ROWS)) {
  test(`${name}: from a stream and from a root, with parameters and pointers that are wrong`, () => {
    checkForeign(name, row, () => opened(true));
  });

  test(`${name} is not there for an installed plugin`, () => {
    assert.equal(callForeign(opened(false), name, row.right), NOT_FOUND);
  });
}

test('a request that takes tokens of no limit, or of one that is not there, takes none', () => {
  const calls = opened(true);
  calls.as(calls.plugin.root);
  assert.equal(callForeign(calls, 'weft_rate_limits', '[]'), 0);
  calls.as(calls.context);
  assert.equal(callForeign(calls, 'weft_take_tokens', words(0, 0, 0, 0, 0, 0)), BAD_ARGUMENT);
  assert.equal(callForeign(calls, 'weft_take_tokens', TAKE_ONE), BAD_ARGUMENT);
  assert.equal(callForeign(calls, 'weft_take_tokens', ''), BAD_ARGUMENT);
});
