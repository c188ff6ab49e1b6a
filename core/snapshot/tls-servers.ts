// Which servers of Gateways end TLS at this proxy, on which ports and for which names, with what they ask of clients and where their
// certificates come from.

import { isDeepStrictEqual } from 'node:util';
import { endsTls } from '../config/ends-tls.ts';
import { plainHost } from '../config/hosts.ts';
import type { GatewaySpec } from '../config/kinds/gateway.ts';
import type { Resource } from '../config/resource.ts';
import type { ServerTLSSettings } from '../config/schemas/server-tls.ts';
import type { CredentialRef } from '../credential.ts';
import type { TlsLimits } from '../transport/tls/limits.ts';
import type { TlsMode, TlsServer } from '../transport/tls/server.ts';
import type { Node } from '../workload.ts';
import { ServerNames } from './server-names.ts';
import { hasLabels } from './services.ts';

/** What ends TLS on one port. */
export interface TlsPort {
  readonly servers: readonly { readonly names: readonly string[]; readonly server: TlsServer }[];
  readonly names: ServerNames<TlsServer>;
}

/** By which a workload is known in the mesh, and whom the mesh believes. */
export const WORKLOAD: CredentialRef = { name: 'default', files: null };
export const MESH_ROOTS: CredentialRef = { name: 'ROOTCA', files: null };

/** Nobody says less. */
export const NO_LIMITS: TlsLimits = Object.freeze({ minVersion: 'TLSv1.2', ciphers: [], curves: [] });

export class TlsServers {
  private readonly node: Pick<Node, 'labels'>;
  /** By Gateway, in the order of their names. */
  private readonly gateways = new Map<string, Resource<GatewaySpec>>();
  private made: ReadonlyMap<number, TlsPort> | null = null;
  /** Of servers for workloads of the mesh, and of all others, where they say nothing. */
  private inMesh: TlsLimits = NO_LIMITS;
  private beyond: TlsLimits = NO_LIMITS;

  constructor(node: Pick<Node, 'labels'>) {
    this.node = node;
  }

  /** The same as long as no Gateway is another one. */
  get ports(): ReadonlyMap<number, TlsPort> {
    this.made ??= this.make();
    return this.made;
  }

  limit(inMesh: TlsLimits, beyond: TlsLimits): void {
    if (isDeepStrictEqual([inMesh, beyond], [this.inMesh, this.beyond])) return;
    this.inMesh = inMesh;
    this.beyond = beyond;
    this.made = null;
  }

  /** Returns the ports whose servers are others. */
  replace(before: Resource<GatewaySpec> | null, after: Resource<GatewaySpec> | null): ReadonlySet<number> {
    const changed = new Set<number>();
    const take = (gateway: Resource<GatewaySpec> | null): boolean => {
      const ports = (gateway?.spec.servers ?? []).filter(endsTls).map(({ port }) => port.number);
      for (const port of ports) changed.add(port);
      return ports.length > 0;
    };
    if (take(before) && this.gateways.delete(nameOf(before!))) this.made = null;
    if (take(after) && hasLabels(this.node.labels, after!.spec.selector ?? {})) {
      this.gateways.set(nameOf(after!), after!);
      this.made = null;
    }
    return changed;
  }

  /** Of two servers for one name the first counts, by the names of their Gateways. */
  private make(): ReadonlyMap<number, TlsPort> {
    const ports = new Map<number, { names: string[]; server: TlsServer }[]>();
    for (const [name, { spec }] of [...this.gateways].sort(([a], [b]) => (a < b ? -1 : 1))) {
      for (const [index, server] of spec.servers.entries()) {
        if (!endsTls(server)) continue;
        const { number } = server.port;
        const limits = server.tls!.mode === 'ISTIO_MUTUAL' ? this.inMesh : this.beyond;
        const names = server.hosts.map((host) => plainHost(host.slice(host.indexOf('/') + 1)));
        const known = ports.get(number) ?? [];
        ports.set(number, known);
        known.push({ names, server: tlsServer(name, index, server.tls!, limits) });
      }
    }
    return new Map(
      [...ports].map(([number, servers]): [number, TlsPort] => {
        const names = servers.flatMap(({ names, server }) => names.map((name) => [name, server] as const));
        return [number, { servers, names: new ServerNames(names) }];
      }),
    );
  }
}

/** 'namespace/name' of the Gateway and the place in its list, as they are in a server's key. */
export function serverPlace(gateway: string, index: number): string {
  return `${gateway} ${index}`;
}

function nameOf({ metadata }: Resource): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function tlsServer(gateway: string, index: number, tls: ServerTLSSettings, limits: TlsLimits): TlsServer {
  const mode = tls.mode as TlsMode;
  const { subjectAltNames = [], verifyCertificateSpki: spki = [], verifyCertificateHash = [] } = tls;
  const hashes = verifyCertificateHash.map((hash) => hash.replaceAll(':', '').toLowerCase());
  const trust = mode === 'SIMPLE' ? [] : trustOf(tls, mode);
  const asked = JSON.stringify([mode, trust.map(({ name }) => name), subjectAltNames, spki, hashes]);
  const newest = tls.maxProtocolVersion === 'TLSV1_2' ? 'TLSv1.2' : 'TLSv1.3';
  const { minProtocolVersion: oldest = 'TLS_AUTO', cipherSuites = [], ecdhCurves = [] } = tls;
  // What the mesh says of it is no less than what the server itself says.
  const usual = newest === 'TLSv1.2' ? newest : limits.minVersion;
  return {
    key: `${serverPlace(gateway, index)} ${asked}`,
    label: `Gateway ${gateway}, server ${index}`,
    mode,
    pairs: pairsOf(tls, mode),
    trust,
    minVersion: oldest === 'TLS_AUTO' ? usual : oldest === 'TLSV1_3' ? 'TLSv1.3' : 'TLSv1.2',
    maxVersion: newest,
    ciphers: cipherSuites.length > 0 ? cipherSuites.filter((suite) => /^[A-Za-z0-9]/.test(suite)) : limits.ciphers,
    curves: ecdhCurves.length > 0 ? ecdhCurves : limits.curves,
    subjectAltNames,
    spki,
    hashes,
  };
}

function pairsOf(tls: ServerTLSSettings, mode: TlsMode): CredentialRef[] {
  if (mode === 'ISTIO_MUTUAL') return [WORKLOAD];
  const named = tls.credentialName ? [tls.credentialName] : (tls.credentialNames ?? []);
  if (named.length > 0) return named.map(secret);
  const whole = { serverCertificate: tls.serverCertificate, privateKey: tls.privateKey };
  const listed = tls.tlsCertificates ?? [];
  return (listed.length > 0 ? listed : [whole]).map(({ serverCertificate: cert = '', privateKey: key = '' }) => ({
    name: `file-cert:${cert}~${key}`,
    files: { cert, key },
  }));
}

/** Whose certificates count of clients. */
function trustOf(tls: ServerTLSSettings, mode: TlsMode): CredentialRef[] {
  if (mode === 'ISTIO_MUTUAL') return [MESH_ROOTS];
  if (tls.caCertCredentialName) return [secret(tls.caCertCredentialName)];
  const [named] = tls.credentialName ? [tls.credentialName] : (tls.credentialNames ?? []);
  if (named !== undefined) return [secret(`${named}${CA_SUFFIX}`)];
  const crl = tls.caCrl || undefined;
  const listed = (tls.tlsCertificates ?? []).flatMap(({ caCertificates }) => caCertificates || []);
  return [...(tls.caCertificates ? [tls.caCertificates] : []), ...listed].map((ca) => ({
    name: crl === undefined ? `file-root:${ca}` : `file-root:${ca}~${crl}`,
    files: { ca, ...(crl !== undefined && { crl }) },
  }));
}

/** A secret of this name says whom a credential's clients are believed by, where there is one. */
export const CA_SUFFIX = '-cacert';

export function secret(name: string): CredentialRef {
  return { name: `kubernetes://${name}`, files: null };
}
