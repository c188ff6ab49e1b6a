// Two sidecars with certificates of one authority, each on a loopback address of its own: productpage, which calls, and details, an
// application that speaks HTTP.

import type { RequestListener } from 'node:http';
import type { WorkloadEndpoint } from '../../core/workload.ts';
import { type PlaneOptions, type RunningDataPlane, startApp, startDataPlane } from './data-plane.ts';
import { type TestAuthority, testAuthority } from './identities.ts';
import { workload } from './mtls-rules.ts';

export interface SidecarPair {
  readonly authority: TestAuthority;
  readonly caller: RunningDataPlane;
  readonly server: RunningDataPlane;
  /** Of both; `port`: where details is reached. Left out: at its sidecar. */
  endpoints(port?: number): readonly WorkloadEndpoint[];
  close(): Promise<void>;
}

/** `network`: '127.43.0', of which productpage has the first address and details the second. They have no certificates yet. */
export async function startSidecarPair(
  network: string,
  serves: RequestListener,
  options: PlaneOptions = {},
): Promise<SidecarPair> {
  const [from, to] = [`${network}.1`, `${network}.2`];
  const authority = await testAuthority();
  const app = await startApp(serves);
  const server = await startDataPlane({
    appProtocol: 'http',
    ...{ address: to, labels: { app: 'details' }, serviceAccount: 'bookinfo-details', appPort: app.port },
    ...options,
  });
  const caller = await startDataPlane({
    ...{ address: from, labels: { app: 'productpage' }, serviceAccount: 'bookinfo-productpage' },
  });
  return {
    ...{ authority, caller, server },
    endpoints: (port = server.ports.inbound) => [
      workload('productpage', from, 0, []),
      workload('details', to, port, ['details']),
    ],
    async close() {
      caller.close();
      server.close();
      await app.close();
      await authority.close();
    },
  };
}
