// Who a proxy started from here is: its node, its addresses and where it keeps its last good configuration.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Node } from '../core/workload.ts';
import { CliError, EXIT } from './exit.ts';
import { ownAddress, probe } from './loopback.ts';

export const TRUST_DOMAIN = 'cluster.local';

export interface SidecarOptions {
  readonly service: string;
  readonly version?: string;
  readonly serviceAccount: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** '' = a random end makes it unique. */
  readonly name: string;
  /** Where the application listens; undefined: nowhere, it only calls others. */
  readonly port?: number;
  /** What it speaks; left out: what the service's description says, else HTTP. */
  readonly protocol?: string;
  /** An address, or 'own': the workload's. */
  readonly appAddress: string;
  /** An own loopback address; '' = chosen by who it is. */
  readonly address: string;
  /** By which other machines reach this one; '' = there are none. */
  readonly advertise: string;
  /** To be free on the own address. */
  readonly ports: readonly number[];
}

/** A node, and the loopback address of its own, or '': what nobody but its workload and this machine needs listens there. */
export interface Placed {
  readonly node: Node;
  readonly local: string;
}

/** Throws CliError when an address that was asked for is not there, or could not be reached. */
export async function sidecarNode(options: SidecarOptions): Promise<Placed> {
  const { service, version, serviceAccount, namespace, port, protocol } = options;
  const workload = version === undefined ? service : `${service}-${version}`;
  const name = options.name || `${workload}-${randomBytes(4).toString('hex').slice(0, 5)}`;
  const local = options.address || (await ownAddress(`${namespace}/${serviceAccount}/${workload}`, options.ports));
  if (options.address !== '' && (await probe(local, 0)) === 'absent') {
    throw new CliError(`${local} is no address of this machine`, EXIT.usage);
  }
  if (options.appAddress === 'own' && local === '') {
    throw new CliError('--app-address own: this system has no loopback address but 127.0.0.1', EXIT.usage);
  }
  const address = options.advertise || local;
  const node: Node = {
    id: nodeId('sidecar', address, name, namespace),
    name,
    workload,
    namespace,
    serviceAccount,
    trustDomain: TRUST_DOMAIN,
    labels: { app: service, ...(version === undefined ? {} : { version }), ...options.labels },
    role: 'sidecar',
    address,
    app:
      port === undefined
        ? null
        : {
            address: options.appAddress === 'own' ? local : options.appAddress,
            port,
            ...(protocol !== undefined && { protocol }),
          },
    services: [service],
  };
  return { node, local };
}

export interface GatewayOptions {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  /** '' = none of its own, and so no principal. */
  readonly address: string;
}

export function gatewayNode({ name, namespace, serviceAccount, labels, address }: GatewayOptions): Node {
  return {
    id: nodeId('router', address, name, namespace),
    name,
    workload: 'istio-ingressgateway',
    namespace,
    serviceAccount,
    trustDomain: TRUST_DOMAIN,
    labels: { app: 'istio-ingressgateway', istio: 'ingressgateway', ...labels },
    role: 'gateway',
    address,
    app: null,
    services: [],
  };
}

/** One folder for each place on this machine, so that names with a random end do not leave one behind each time. */
export function stateFolder(home: string, { node, local }: Placed): string {
  return join(home, 'proxies', local || node.name);
}

/** As Istio names proxies: TYPE~ADDRESS~NAME.NAMESPACE~DOMAIN. */
function nodeId(type: 'sidecar' | 'router', address: string, name: string, namespace: string): string {
  return `${type}~${address || '127.0.0.1'}~${name}.${namespace}~${namespace}.svc.cluster.local`;
}
