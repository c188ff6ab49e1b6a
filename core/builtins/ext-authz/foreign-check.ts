// Host functions of the ext-authz filter: whom to ask is the guest's to say, asking is done here. Only built-in filters have them.
//   weft_ext_authz(JSON)     the providers of the current plugin
//   weft_check(asked)        asks them about the request, one after the other (layout.ts); it goes on, or is answered, later
//   weft_check_answer()      what they had to say of the answer is written into it

import { Status } from '../../wasm/abi/abi.ts';
import type { ForeignContext, ForeignFunction } from '../../wasm/abi/foreign.ts';
import type { Upstreams } from '../../wasm/abi/upstreams.ts';
import { type Authorizer, Check } from './check.ts';
import { CheckMetrics } from './check-metrics.ts';
import { type ProviderSpec, providerOf } from './provider.ts';

export function checkFunctions(upstreams: Upstreams): Readonly<Record<string, ForeignFunction>> {
  const authorizersOf = new WeakMap<ForeignContext['plugin'], readonly Authorizer[]>();
  return {
    weft_ext_authz({ current, memory, host }, at, length) {
      if (current === null) return Status.BadArgument;
      const specs = JSON.parse(memory.utf8(at, length)) as ProviderSpec[];
      const { metrics } = host;
      authorizersOf.set(
        current.plugin,
        specs.map((spec) => ({ provider: providerOf(spec), metrics: new CheckMetrics(metrics, spec.name) })),
      );
      return Status.Ok;
    },
    weft_check({ effective, memory }, at, length) {
      const authorizers = effective === null ? undefined : authorizersOf.get(effective.plugin);
      if (effective === null || authorizers === undefined || effective.stream === null) return Status.NotFound;
      if (length < 3 || length % 2 !== 1) return Status.BadArgument;
      const asked: Authorizer[] = [];
      for (let place = at + 1; place < at + length; place += 2) {
        const authorizer = authorizers[memory.bytes.readUInt16LE(place)];
        if (authorizer === undefined) return Status.BadArgument;
        asked.push(authorizer);
      }
      const check = new Check(effective.stream, asked, upstreams, memory.bytes[at] !== 0);
      effective.whenDone = check;
      check.begin();
      return Status.Ok;
    },
    weft_check_answer({ effective }) {
      const head = effective?.stream?.responseHead ?? null;
      if (effective?.whenDone instanceof Check && head !== null) effective.whenDone.tell(head);
      return Status.Ok;
    },
  };
}
