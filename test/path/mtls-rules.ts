// What tests of mutual TLS say of it: workloads that take it, rules, and what an exchange knows of its connection.

import { ATTRIBUTES } from '../../core/attributes.ts';
import type { ExchangeRecord } from '../../core/exchange/record.ts';
import type { WorkloadEndpoint } from '../../core/workload.ts';

export function factsOf(record: ExchangeRecord) {
  const names = ['connection.mtls', 'connection.tls_version', 'connection.requested_server_name'] as const;
  const uris = ['connection.uri_san_peer_certificate', 'connection.uri_san_local_certificate'] as const;
  return Object.fromEntries([...names, ...uris].map((name) => [name, ATTRIBUTES[name].read(record)]));
}

/** In the namespace default. */
export function workload(name: string, address: string, port: number, services: string[]): WorkloadEndpoint {
  return {
    ...{ id: name, name: `${name}-1`, workload: name, namespace: 'default', serviceAccount: `bookinfo-${name}` },
    ...{ trustDomain: 'cluster.local', labels: { app: name }, services, address, port, appPort: 9080 },
    ...{ weight: 1, locality: '', tls: true },
  };
}

export const peerAuthentication = (mode: string, rest = '', name = 'default') => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${name} }
spec: { mtls: { mode: ${mode} } ${rest} }`;

/** Of details. */
export const destinationRule = (tls: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: details }
spec: { host: details, trafficPolicy: { tls: ${tls} } }`;
