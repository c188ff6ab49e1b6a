// What one call of a filter costs: open, the request's head, done, through the real host, on a head as the codec
// leaves it.

import { faultConfig } from '../../core/builtins/fault/fault.ts';
import { authorizationConfig } from '../../core/builtins/rbac/rbac.ts';
import type { FilterConfiguration, FilterFactory } from '../../core/exchange/filter.ts';
import { builtinsIn, FIELDS, NODE, PRODUCTPAGE, received, startRuntime, streamOf } from './request.ts';
import type { Subject } from './subject.ts';

const POLICIES = [
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'viewer', namespace: 'default' },
    spec: {
      rules: [
        {
          from: [{ source: { principals: [PRODUCTPAGE] } }],
          to: [{ operation: { methods: ['GET'], paths: ['/reviews/*'] } }],
        },
      ],
    },
  },
];

const head = received(FIELDS);
const stream = streamOf(head);

/** Built-in filters as they were built, in a runtime that `stop` ends. */
export async function filterSubjects(): Promise<{ subjects: readonly Subject[]; stop: () => void }> {
  const runtime = startRuntime();
  const configure = builtinsIn(runtime);
  const fault = await configure('fault', null);
  const abort = faultConfig({ abort: { httpStatus: 500, percentage: { value: 0.0001 } } });
  const rbac = await configure('rbac', authorizationConfig(POLICIES, NODE));
  const subjects = [
    filterCall('filter call: fault, one abort in a million', 1, fault, abort),
    filterCall('filter call: rbac, principal, method and path', 2.8, rbac, null),
  ];
  return { subjects, stop: () => runtime.stop() };
}

/** Opened, asked about a request, told of the end. */
function filterCall(name: string, budget: number, factory: FilterFactory, config: FilterConfiguration | null): Subject {
  return {
    name,
    budget,
    run(times) {
      let refused = 0;
      for (let i = 0; i < times; i++) {
        const filter = factory.open(stream, config);
        if (filter.head('request', head, true) !== 'continue') refused++;
        filter.done();
        head.added.length = 0;
      }
      // One in a million is by chance.
      if (refused > 1 + times / 1000) throw new Error(`${name} let ${refused} of ${times} not pass`);
    },
  };
}
