// What it costs to ask about an exchange: a guest's properties, one by one through the host, and a line of the access log.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { compileFilter } from '../../asbuild/compile.ts';
import type { ExchangeRecord } from '../../core/exchange/record.ts';
import { Head } from '../../core/http/head.ts';
import { compileFormat, ISTIO_TEXT } from '../../core/telemetry/log-format.ts';
import { FIELDS, plainSpec, received, recordOf, startRuntime, streamOf } from './request.ts';
import type { Subject } from './subject.ts';

const ENTRY = join(import.meta.dirname, '../../filters/sdk/fixtures/eight-properties.ts');
const EMPTY = new Uint8Array(0);

/** An exchange that went well. */
function ended(head: Head): ExchangeRecord {
  return {
    ...recordOf(head),
    protocol: 'HTTP/1.1',
    startTime: 1_700_000_000_000,
    requestEndMs: 0,
    responseStartMs: 1.2,
    durationMs: 1.5,
    upstreamServiceMs: 1,
    originalPath: null,
    responseHead: Head.response(200, [['x-envoy-upstream-service-time', '1']]),
    responseTrailers: null,
    requestId: '3a3bbd40-7d3e-4c1f-8f34-5ad4b0b4a1c8',
    bytesReceived: 0,
    bytesSent: 375,
    responseCode: 200,
    responseCodeDetails: 'via_upstream',
    flags: 0,
    virtualHostName: 'inbound|http|9080',
    routeName: 'default',
    clusterName: 'inbound|9080||',
    clusterEndpoints: 1,
    upstreamHost: '127.0.0.1:9080',
    upstreamLocalAddress: '127.0.0.1:50000',
    upstreamTransportFailure: '',
    attempts: 1,
    destinationService: 'reviews.default.svc.cluster.local',
    source: null,
    destination: null,
  };
}

/** `stop` ends the guest. */
export async function attributeSubjects(): Promise<{ subjects: readonly Subject[]; stop: () => void }> {
  const bytes = await compileFilter({ entry: ENTRY });
  const digest = createHash('sha256').update(bytes).digest('hex');
  const module = await WebAssembly.compile(bytes);
  const runtime = startRuntime();
  const filter = runtime.configure(plainSpec({ name: 'eight-properties', digest, module, configuration: EMPTY }));
  const head = received(FIELDS);
  const record = ended(head);
  const stream = { ...streamOf(head), record };
  const line = compileFormat(ISTIO_TEXT);
  const subjects = [
    {
      name: 'eight properties, asked for by a guest',
      budget: 7,
      run(times: number) {
        for (let i = 0; i < times; i++) {
          const asked = filter.open(stream, null);
          if (asked.head('request', head, true) !== 'continue') throw new Error('the guest was told nothing');
          asked.done();
        }
      },
    },
    {
      name: "access log: a line of Istio's format",
      budget: 5,
      run(times: number) {
        for (let i = 0; i < times; i++) if (line(record).length < 100) throw new Error('the line is short');
      },
    },
  ];
  return { subjects, stop: () => runtime.stop() };
}
