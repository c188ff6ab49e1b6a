// Host functions of the authn filter: verifying tokens, which needs keys and is no work for a guest. Only built-in filters
// have them: who sets the rules decides who a request speaks for.
//   weft_token_rules(JSON)               the rules of the current plugin, see rules.ts
//   weft_verify_token(u16 place, token)  its judgement; a token that holds stays with the stream

import { Status } from '../../wasm/abi/abi.ts';
import type { ForeignContext, ForeignFunction } from '../../wasm/abi/foreign.ts';
import { type RemoteKeys, TokenRules } from './rules.ts';

/** `keys`: of issuers whose rules say where keys are fetched from. */
export function tokenFunctions(keys: RemoteKeys): Readonly<Record<string, ForeignFunction>> {
  const rulesOf = new WeakMap<ForeignContext['plugin'], TokenRules>();
  return {
    weft_token_rules({ current, memory }, at, length) {
      if (current === null) return Status.BadArgument;
      rulesOf.set(current.plugin, new TokenRules(JSON.parse(memory.utf8(at, length)), keys));
      return Status.Ok;
    },
    weft_verify_token({ effective, memory, host }, at, length) {
      if (effective === null || effective.stream === null || length < 2) return Status.BadArgument;
      const rules = rulesOf.get(effective.plugin);
      if (rules === undefined) return Status.NotFound;
      const { bytes, token } = rules.judge(memory.bytes, at, at + length, host.now());
      effective.stream.token ??= token;
      return bytes;
    },
  };
}
