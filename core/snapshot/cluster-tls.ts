// How a service's port is spoken to in TLS, by what DestinationRules say: with the mesh's certificates, with others, or not at all.

import type { EndpointTls } from '../cluster/endpoint-tls.ts';
import type { TrafficPolicy } from '../config/kinds/destination-rule.ts';
import { type ClientTLSSettings, isConfigMap } from '../config/schemas/client-tls.ts';
import { isHttp2 } from '../config/schemas/port-protocol.ts';
import type { CredentialRef } from '../credential.ts';
import type { TlsLimits } from '../transport/tls/limits.ts';
import type { Origination } from '../transport/tls/origination.ts';
import type { ServicePort } from './services.ts';
import { CA_SUFFIX, secret } from './tls-servers.ts';

export interface TlsRequest {
  readonly port: ServicePort;
  readonly subset: string;
  readonly host: string;
  /** From the host's to the subset's: the last that says something counts. */
  readonly levels: readonly (TrafficPolicy | undefined)[];
  /** Other trust domains of the mesh. */
  readonly aliases: readonly string[];
  /** Of TLS beyond the mesh, where rules say nothing. */
  readonly limits: TlsLimits;
  /** This proxy is given the secrets that the rules name. */
  readonly trusted: boolean;
}

/** Null: in plain text. Where no rule says anything: to whom takes it. */
export function tlsOf({ port, subset, host, levels, aliases, limits, trusted }: TlsRequest): EndpointTls | null {
  let asked: ClientTLSSettings | undefined;
  for (const level of levels) {
    const override = level?.portLevelSettings?.find((setting) => setting.port?.number === port.number);
    asked = (override ?? level)?.tls ?? asked;
  }
  const { mode, sni, subjectAltNames } = asked ?? {};
  const identities = subjectAltNames?.length ? [...subjectAltNames] : null;
  if (mode === 'SIMPLE' || mode === 'MUTUAL') {
    const origination = originationOf(asked!, isHttp2(port.protocol), limits, trusted);
    // Whoever has the name that is asked for, unless the rule knows better.
    const serverName = sni || host;
    const believed = origination.verified ? (identities ?? [serverName]) : null;
    return { serverName, identities: believed, aliases: [], required: true, origination };
  }
  if (asked !== undefined && mode !== 'ISTIO_MUTUAL') return null;
  return {
    serverName: sni || serverNameOf(host, port.number, subset),
    identities,
    aliases,
    required: asked !== undefined,
    origination: null,
  };
}

/** By which sidecars name a service to each other, as Istio's do. */
export function serverNameOf(host: string, port: number, subset: string): string {
  return `outbound_.${port}_.${subset}_.${host}`;
}

/** `h2`: the port itself says that HTTP/2 is spoken there. */
function originationOf(asked: ClientTLSSettings, h2: boolean, limits: TlsLimits, trusted: boolean): Origination {
  const mutual = asked.mode === 'MUTUAL';
  const { pair, trust } = secretsOf(asked);
  return {
    caFile: asked.caCertificates ?? '',
    certificateFile: mutual ? (asked.clientCertificate ?? '') : '',
    keyFile: mutual ? (asked.privateKey ?? '') : '',
    crlFile: asked.caCrl ?? '',
    pairSecret: pair?.name ?? '',
    trustSecret: trust?.name ?? '',
    withheld: withheld(asked.credentialName ?? '', trusted),
    limits: asked.ecdhCurves?.length ? { ...limits, curves: [...asked.ecdhCurves] } : limits,
    verified: asked.insecureSkipVerify !== true,
    fallsBack: !h2,
  };
}

/** What these settings show and whom they believe, where that is in secrets; null: it is not. */
export function secretsOf(asked: ClientTLSSettings): Record<'pair' | 'trust', CredentialRef | null> {
  const { mode, credentialName = '', insecureSkipVerify } = asked;
  const originates = mode === 'SIMPLE' || mode === 'MUTUAL';
  if (!originates || credentialName === '' || isConfigMap(credentialName)) return { pair: null, trust: null };
  return {
    pair: mode === 'MUTUAL' ? secret(credentialName) : null,
    trust: insecureSkipVerify === true ? null : secret(`${credentialName}${CA_SUFFIX}`),
  };
}

/** Why the secret is not for this proxy; ''. */
function withheld(name: string, trusted: boolean): string {
  const named = `credentialName ${JSON.stringify(name)}`;
  if (isConfigMap(name)) return `${named} cannot be had: there are no ConfigMaps here, name a secret`;
  if (name === '' || trusted) return '';
  return `${named} is for gateways, and for sidecars that the rule's workloadSelector names`;
}
