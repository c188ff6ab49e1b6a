// What is said about kinds that are not known: which known one was probably meant, or which feature does the same.

import { quote } from './formats.ts';
import { KINDS, type KindName } from './kind-names.ts';
import { closest } from './spelling.ts';

/** Mixer's kinds by what they did; the template of an `instance` says it. */
const MIXER: Readonly<Record<string, string>> = {
  logentry: 'access logs are configured by Telemetry (accessLogging)',
  metric: 'metrics are configured by Telemetry (metrics)',
  tracespan: 'traces are configured by Telemetry (tracing)',
  quota: 'rate limits are configured by RateLimitPolicy',
  QuotaSpec: 'rate limits are configured by RateLimitPolicy',
  QuotaSpecBinding: 'rate limits are configured by RateLimitPolicy',
  authorization: 'access is configured by AuthorizationPolicy',
  listentry: 'allow and deny lists are configured by AuthorizationPolicy',
};

const REFUSED: Readonly<Record<string, string>> = {
  EnvoyFilter:
    'it patches the configuration of Envoy, and this is not Envoy: add a filter by Plugin or WasmPlugin, order filters by FilterChain',
  TrafficExtension: 'write a WasmPlugin (for wasm); lua is not run',
  Policy:
    'authentication.istio.io was removed in Istio 1.6: write PeerAuthentication (mtls) and RequestAuthentication (jwt)',
  MeshPolicy:
    'authentication.istio.io was removed in Istio 1.6: write a PeerAuthentication without selector in the root namespace',
  Ingress: 'write a Gateway and a VirtualService',
  IngressClass: 'write a Gateway and a VirtualService',
  GRPCRoute: 'write an HTTPRoute: gRPC is matched by its path, /package.Service/Method',
  TCPRoute: 'write a VirtualService with tcp routes',
  TLSRoute: 'write a VirtualService with tls routes',
  ReferenceGrant: 'references across namespaces are allowed without one',
  Secret: 'secrets never travel in the configuration: give proxies files or a certificate authority',
  ConfigMap: 'nothing in the mesh reads it; what Istio has in data.mesh of its ConfigMap is the spec of a MeshConfig',
  Pod: 'workloads are described by a Deployment or a WorkloadEntry',
  StatefulSet: 'workloads are described by a Deployment or a WorkloadEntry',
  DaemonSet: 'workloads are described by a Deployment or a WorkloadEntry',
  ReplicaSet: 'workloads are described by a Deployment or a WorkloadEntry',
  Job: 'workloads are described by a Deployment or a WorkloadEntry',
  Endpoints: 'endpoints are described by WorkloadEntry, or by workloads that register themselves',
  EndpointSlice: 'endpoints are described by WorkloadEntry, or by workloads that register themselves',
  IstioOperator: 'nothing is installed by it; its meshConfig is the spec of a MeshConfig',
};

export interface Refusal {
  /** Which of the two fields is at fault. */
  readonly field: 'apiVersion' | 'kind';
  readonly message: string;
}

/** For an apiVersion and kind that name no known kind. `spec` is looked at for the template of a Mixer instance. */
export function refusal(apiVersion: string, kind: string, spec: unknown): Refusal {
  if (apiVersion.startsWith('config.istio.io/')) {
    return {
      field: 'kind',
      message: `${kind} is not supported: Mixer was removed in Istio 1.8; ${mixerHint(kind, spec)}`,
    };
  }
  const versions = Object.entries(KINDS)
    .filter(([, known]) => known.kind === kind)
    .map(([, known]) => known.versions.map((version) => (known.group === '' ? version : `${known.group}/${version}`)));
  if (versions.length > 0) {
    return {
      field: 'apiVersion',
      message: `${kind} is not of ${quote(apiVersion)}: write ${versions.flat().join(', ')}`,
    };
  }
  if (Object.hasOwn(REFUSED, kind)) return { field: 'kind', message: `${kind} is not supported: ${REFUSED[kind]}` };
  const names = (Object.keys(KINDS) as KindName[]).map((name) => KINDS[name].kind);
  const meant = closest(kind, names);
  const hint = meant === null ? `known are ${[...new Set(names)].join(', ')}` : `did you mean ${meant}?`;
  return { field: 'kind', message: `unknown kind ${quote(kind)}: ${hint}` };
}

function mixerHint(kind: string, spec: unknown): string {
  const template =
    typeof spec === 'object' && spec !== null && 'compiledTemplate' in spec ? String(spec.compiledTemplate) : kind;
  return Object.hasOwn(MIXER, template)
    ? MIXER[template]
    : 'telemetry is configured by Telemetry, rate limits by RateLimitPolicy, access by AuthorizationPolicy';
}
