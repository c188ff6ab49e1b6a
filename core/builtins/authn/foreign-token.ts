// Host functions of the authn filter: verifying tokens, which needs keys and is no work for a guest. Only built-in filters
// have them: who sets the rules decides who a request speaks for.
//   weft_token_rules(JSON)               the rules of the current plugin, see tokens/rules.ts
//   weft_verify_token(u16 place, token)  its judgement; a token that holds stays with the stream

import { Status } from '../../wasm/abi/abi.ts';
import type { Instance } from '../../wasm/guest/instance.ts';
import type { Plugin } from '../../wasm/guest/plugin.ts';
import type { RemoteKeys } from './rules.ts';
import { TokenRules } from './rules.ts';

/** Where nobody fetches keys. */
export const NO_REMOTE_KEYS: RemoteKeys = { current: () => null, missing: () => undefined };

const rulesOf = new WeakMap<Plugin, TokenRules>();

export function setTokenRules(vm: Instance, at: number, length: number): number {
  const plugin = vm.current?.plugin;
  if (plugin?.spec.builtin !== true) return Status.NotFound;
  rulesOf.set(plugin, new TokenRules(JSON.parse(vm.memory.utf8(at, length)), vm.host.keys));
  return Status.Ok;
}

export function verifyToken(vm: Instance, at: number, length: number): number | Uint8Array {
  const context = vm.effective;
  if (context === null || context.stream === null || length < 2) return Status.BadArgument;
  const rules = rulesOf.get(context.plugin);
  if (rules === undefined) return Status.NotFound;
  const { bytes, token } = rules.judge(vm.memory.bytes, at, at + length, vm.host.now());
  context.stream.token ??= token;
  return bytes;
}
