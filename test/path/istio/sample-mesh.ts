// The mesh of Istio's samples, in this process: versions of an application behind sidecars with certificates, a client's sidecar, and a
// gateway in front of them.

import type { WorkloadEndpoint } from '../../../core/workload.ts';
import { type PlaneOptions, type RunningDataPlane, startDataPlane } from '../data-plane.ts';
import { testAuthority } from '../identities.ts';

export interface SampleApp {
  /** Its service, and its label app. */
  readonly app: string;
  readonly version: string;
  /** Where it listens. */
  readonly port: number;
  /** As `mesh run --protocol` says it; left out: what the registry says. */
  readonly protocol?: string;
}

export interface SampleMesh {
  readonly gateway: RunningDataPlane;
  readonly client: RunningDataPlane;
  readonly servers: readonly RunningDataPlane[];
  /** To every proxy, in place of what was applied before. */
  configure(...yaml: string[]): void;
  close(): Promise<void>;
}

/** What services call an application's port by `targetPort`, wherever it listens. */
export const TARGET_PORT = 8080;

/** `network`: '127.57.0', of which each workload has an address. */
export async function startSampleMesh(
  network: string,
  apps: readonly SampleApp[],
  { gatewayPort, upstreams }: Pick<PlaneOptions, 'gatewayPort' | 'upstreams'>,
): Promise<SampleMesh> {
  const authority = await testAuthority();
  const start = async (account: string, options: PlaneOptions): Promise<RunningDataPlane> => {
    const plane = await startDataPlane({ ...options, serviceAccount: account });
    plane.plane.setIdentity(await authority.identity(account));
    return plane;
  };
  const gateway = await start('istio-ingressgateway', { role: 'gateway', address: `${network}.1`, gatewayPort });
  const client = await start('curl', { address: `${network}.2`, labels: { app: 'curl' }, upstreams });
  const servers: RunningDataPlane[] = [];
  const endpoints = [endpoint('istio-ingressgateway', '', gateway, 0), endpoint('curl', '', client, 0)];
  for (const { app, version, port, protocol } of apps) {
    const server = await start(app, {
      ...{ address: `${network}.${servers.length + 3}`, labels: { app, version }, services: [app] },
      ...{ appPort: port, appProtocol: protocol },
    });
    servers.push(server);
    endpoints.push(endpoint(app, version, server, server.ports.inbound));
  }
  const planes = [gateway, client, ...servers];
  for (const { told } of planes) told(endpoints);
  return {
    gateway,
    client,
    servers,
    configure(...yaml) {
      for (const plane of planes) {
        plane.unconfigure();
        plane.apply(...yaml);
        plane.records.length = 0;
      }
    },
    async close() {
      for (const { close } of planes) close();
      await authority.close();
    },
  };
}

function endpoint(app: string, version: string, { address }: RunningDataPlane, port: number): WorkloadEndpoint {
  const workload = version === '' ? app : `${app}-${version}`;
  return {
    ...{ id: workload, name: `${workload}-1`, workload, namespace: 'default', serviceAccount: app },
    ...{ trustDomain: 'cluster.local', labels: version === '' ? { app } : { app, version } },
    ...{ services: version === '' ? [] : [app], address, port, appPort: TARGET_PORT },
    ...{ weight: 1, locality: '', tls: true },
  };
}
