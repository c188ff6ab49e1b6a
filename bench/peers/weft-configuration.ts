// Weft's configuration for a setup, as the Istio resources that one would write for it.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeCertificate } from '../certificates.ts';
import { MOST_REQUESTS, routePrefixes, type Setup, serviceHosts, wasmFilterOf } from '../setups.ts';
import type { PeerSetting } from './peer.ts';

const GATEWAY_NAMESPACE = 'istio-system';
const UPSTREAM_PROTOCOLS = { http1: 'HTTP', h2: 'HTTP2', tls: 'HTTP', bytes: 'TCP' };

/** Resources for one folder; JSON is YAML. `first`: a path that leads to the upstream's /300. */
export async function weftConfiguration(setting: PeerSetting, port: number, first: string | null): Promise<object[]> {
  const { setup, upstreamPort } = setting;
  const route = [to('application.bench', upstreamPort)];
  const http = routePrefixes(setup).map((prefix) => ({
    ...(prefix === '/' ? {} : { match: [{ uri: { prefix } }] }),
    ...(setup.filters === 'chain' ? { fault: { abort: { percentage: { value: 0.0001 }, httpStatus: 500 } } } : {}),
    route,
  }));
  const added = first === null ? [] : [{ match: [{ uri: { exact: first } }], rewrite: { uri: '/300' }, route }];
  return [
    resource('networking.istio.io/v1', 'Gateway', 'bench', { servers: [await server(setting, port)] }),
    service('application.bench', upstreamPort, UPSTREAM_PROTOCOLS[setup.speaks]),
    setup.speaks === 'bytes'
      ? resource('networking.istio.io/v1', 'VirtualService', 'application', {
          ...{ hosts: ['*'], gateways: ['bench'], tcp: [{ route }] },
        })
      : virtualService('application', '*', [...added, ...http]),
    ...otherServices(setup, upstreamPort),
    ...(await policies(setting)),
  ];
}

/** Of the gateway. */
async function server({ setup: { speaks }, folder }: PeerSetting, number: number): Promise<object> {
  const protocol = speaks === 'tls' ? 'HTTPS' : UPSTREAM_PROTOCOLS[speaks];
  const given = { port: { number, name: protocol.toLowerCase(), protocol }, hosts: ['*'] };
  if (speaks !== 'tls') return given;
  const { chain, key } = await writeCertificate(folder);
  return {
    ...given,
    tls: { mode: 'SIMPLE', minProtocolVersion: 'TLSV1_3', serverCertificate: chain, privateKey: key },
  };
}

function otherServices(setup: Setup, port: number): object[] {
  return serviceHosts(setup).flatMap((host) => [
    service(host, port),
    virtualService(host.replace('.', '-'), host, [{ route: [to(host, port)] }]),
  ]);
}

async function policies({ setup, credentials, filterFile }: PeerSetting): Promise<object[]> {
  if (setup.filters === 'plain') return [];
  const filter = wasmFilterOf(setup);
  if (filter !== null) {
    // Its bytes lie beside the configuration.
    const hex = createHash('sha256')
      .update(readFileSync(await filterFile(filter)))
      .digest('hex');
    return [resource('weft.dev/v1', 'Plugin', 'bench', { digest: `sha256:${hex}` })];
  }
  const { issuer, subject, jwks } = credentials;
  return [
    resource('security.istio.io/v1', 'RequestAuthentication', 'bench', {
      jwtRules: [{ issuer, jwks, forwardOriginalToken: true }],
    }),
    resource('security.istio.io/v1', 'AuthorizationPolicy', 'bench', {
      rules: [
        {
          from: [{ source: { requestPrincipals: [`${issuer}/${subject}`] } }],
          to: [{ operation: { methods: ['GET'], paths: ['/*'] } }],
        },
      ],
    }),
    resource('weft.dev/v1', 'RateLimitPolicy', 'bench', {
      limits: [{ name: 'all', requests: MOST_REQUESTS, per: '1s' }],
    }),
  ];
}

function service(host: string, port: number, protocol = 'HTTP'): object {
  return resource('networking.istio.io/v1', 'ServiceEntry', host.replace('.', '-'), {
    hosts: [host],
    ports: [{ number: port, name: protocol.toLowerCase(), protocol }],
    location: 'MESH_EXTERNAL',
    resolution: 'STATIC',
    endpoints: [{ address: '127.0.0.1' }],
  });
}

function virtualService(name: string, host: string, http: object[]): object {
  return resource('networking.istio.io/v1', 'VirtualService', name, { hosts: [host], gateways: ['bench'], http });
}

function to(host: string, number: number): object {
  return { destination: { host, port: { number } } };
}

function resource(apiVersion: string, kind: string, name: string, spec: object): object {
  return { apiVersion, kind, metadata: { name, namespace: GATEWAY_NAMESPACE }, spec };
}
