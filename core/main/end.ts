// How a proxy ends: first it leaves discovery, last it writes what requests left behind. Every step has its time, and the
// later ones come also when an earlier one fails.

import { endInOrder } from '../../bus/in-order.ts';
import type { Admin } from '../admin/server.ts';
import type { FilterThreads } from '../threads/filter-threads.ts';
import type { Shards } from '../threads/shards.ts';
import type { TrialThread } from '../threads/trial-thread.ts';
import type { Credentials } from './credentials.ts';
import type { ProxyLog } from './log.ts';
import type { LogOutput } from './log-writer.ts';
import type { Source } from './source.ts';
import type { TokenKeys } from './token-keys.ts';
import type { WorkloadCertificate } from './workload-certificate.ts';

interface Parts {
  readonly source: Source | null;
  readonly keys: TokenKeys;
  readonly certificate: WorkloadCertificate;
  readonly credentials: Credentials;
  readonly shards: Shards | null;
  readonly trials: TrialThread;
  readonly filterThreads: FilterThreads;
  readonly admin: Admin | null;
  readonly accessLog: LogOutput;
  readonly log: ProxyLog;
}

const STEP_MS = 5_000;
/** Its own steps have their times, too. */
const SOURCE_MS = 10_000;
/** How long the last lines of the access log may take. */
const LAST_LINES_MS = 1_000;

/** Never rejects. */
export function endProxy(parts: Parts): Promise<void> {
  const { source, keys, certificate, credentials, shards, trials, filterThreads, admin, accessLog, log } = parts;
  const step = (what: string, end: () => unknown) => ({ what, ms: STEP_MS, end });
  return endInOrder(
    [
      { what: 'leaving the source', ms: SOURCE_MS, end: () => source?.close() },
      step('keeping keys', () => keys.close()),
      step('keeping the certificate', () => certificate.close()),
      step('leaving the credentials', () => credentials.close()),
      step('ending the shards', () => shards?.stop()),
      step('ending trials', () => trials.close()),
      step('ending the threads of filters', () => filterThreads.stop()),
      step('closing admin', () => admin?.close()),
      step('writing the access log', () => accessLog.close(LAST_LINES_MS)),
    ],
    (sentence) => log.write('warning', 'main', sentence),
  );
}
