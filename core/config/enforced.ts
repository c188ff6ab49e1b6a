// What of the configuration takes effect, in one table. What is accepted but absent here is reported by name whenever it is
// applied, so that nobody believes in a rule that nothing follows. Enforcing something means adding it here.

import type { KindName, Specs } from './kind-names.ts';
import { kindName, type Problem, type Resource, resourceKey } from './resource.ts';
import { pointer } from './walk.ts';

/**
 * true: enforced, whatever is in it. A text: not enforced, and what people call it. A function: what is not enforced of
 * this value, or null. An object: field by field; a field that is absent is not enforced and goes by its own name. Lists are looked at item by item.
 */
type Enforced<Value> =
  | true
  | string
  | (NonNullable<Value> extends readonly (infer Item)[]
      ? Enforced<Item>
      :
          | ((value: NonNullable<Value>) => string | null)
          | (NonNullable<Value> extends object ? { readonly [Field in keyof Value]?: Enforced<Value[Field]> } : never));

const TLS_ORIGINATION = 'TLS origination';
const TCP_ROUTES = 'TCP routes';

const pool: Enforced<Specs['Sidecar']['inboundConnectionPool']> = {
  tcp: { maxConnections: true, connectTimeout: true },
  http: { http1MaxPendingRequests: true, maxRequestsPerConnection: true, maxRetries: true, idleTimeout: true },
};

const perPort = {
  port: true,
  loadBalancer: {
    simple: (value: string) => (value === 'PASSTHROUGH' ? 'load balancing PASSTHROUGH' : null),
    consistentHash: 'load balancing by consistentHash',
    localityLbSetting: 'locality load balancing',
    warmup: 'warm-up of endpoints',
    warmupDurationSecs: 'warm-up of endpoints',
  },
  connectionPool: pool,
  outlierDetection: 'outlier detection',
  tls: ({ mode }: { mode?: string }) =>
    mode === undefined || mode === 'DISABLE' ? null : mode === 'ISTIO_MUTUAL' ? 'mutual TLS' : TLS_ORIGINATION,
} as const;

const trafficPolicy = {
  ...perPort,
  portLevelSettings: perPort,
  retryBudget: { percent: true, minRetryConcurrency: true, budgetInterval: "a retry budget's interval" },
} as const;

/** A policy with such a target applies nowhere by it. */
const unknownTarget = ({ kind }: { kind: string }): string | null =>
  ['Gateway', 'GatewayClass', 'Service'].includes(kind) ? null : `a target of kind ${kind}`;

const unknownCondition = ({ key }: { key: string }): string | null =>
  key.startsWith('experimental.') ? `conditions on ${key}` : null;

const accessRule = {
  services: true,
  hosts: true,
  notHosts: true,
  paths: true,
  notPaths: true,
  methods: true,
  notMethods: true,
  ports: true,
  notPorts: true,
  constraints: unknownCondition,
} as const;

const ENFORCED: { readonly [Name in KindName]?: Enforced<Specs[Name]> } = {
  VirtualService: {
    hosts: true,
    gateways: true,
    http: {
      name: true,
      match: {
        name: true,
        uri: true,
        ignoreUriCase: true,
        scheme: true,
        method: true,
        authority: true,
        headers: true,
        withoutHeaders: true,
        queryParams: true,
        port: true,
        gateways: true,
        sourceLabels: true,
        sourceNamespace: true,
      },
      route: true,
      redirect: {
        uri: true,
        authority: true,
        port: true,
        scheme: true,
        redirectCode: true,
        prefixRewrite: true,
        derivePort: 'redirects that derive their port',
      },
      directResponse: true,
      delegate: 'delegation to another VirtualService',
      rewrite: true,
      timeout: true,
      retries: {
        attempts: true,
        perTryTimeout: true,
        retryOn: (value) => (value.includes('http3-post-connect-failure') ? 'retries of HTTP/3' : null),
        backoff: true,
        retryIgnorePreviousHosts: true,
        retryRemoteLocalities: (value) => (value ? 'retries in remote localities first' : null),
      },
      fault: {
        delay: { percent: true, percentage: true, fixedDelay: true },
        abort: { percentage: true, httpStatus: true, grpcStatus: true },
      },
      mirror: 'mirroring',
      mirrors: 'mirroring',
      mirrorPercent: 'mirroring',
      mirrorPercentage: 'mirroring',
      corsPolicy: true,
      headers: true,
    },
    tls: 'TLS routes',
    tcp: TCP_ROUTES,
  },
  DestinationRule: {
    host: true,
    trafficPolicy,
    subsets: { name: true, labels: true, trafficPolicy },
  },
  Gateway: {
    selector: true,
    servers: {
      name: true,
      hosts: true,
      port: ({ protocol }) =>
        protocol?.toUpperCase() === 'HTTP' ? null : `${protocol?.toUpperCase()} servers of a gateway`,
      tls: 'TLS at a gateway',
    },
  },
  ServiceEntry: {
    hosts: true,
    addresses: true,
    location: true,
    resolution: (value) => (value === 'DYNAMIC_DNS' ? 'resolution DYNAMIC_DNS' : null),
    ports: ({ protocol }) => protocolFault(protocol),
    workloadSelector: true,
    endpoints: { address: true, ports: true, labels: true, weight: true, serviceAccount: true },
  },
  WorkloadEntry: { address: true, ports: true, labels: true, weight: true, serviceAccount: true },
  Service: {
    ports: ({ appProtocol, name, protocol, targetPort }) =>
      protocol === 'UDP' || protocol === 'SCTP'
        ? `${protocol} ports`
        : typeof targetPort === 'string'
          ? 'a targetPort by name'
          : protocolFault(appProtocol ?? protocolOfName(name)),
    selector: true,
    clusterIP: true,
    type: (value) => (value === 'ExternalName' ? 'services of type ExternalName' : null),
    externalName: true,
  },
  ServiceAccount: true,
  Deployment: true,
  Namespace: true,
  FilterChain: true,
  Plugin: {
    digest: true,
    source: true,
    version: true,
    enabled: true,
    type: true,
    rootId: true,
    selector: true,
    mode: true,
    config: true,
    vmConfig: true,
    capabilities: true,
    upstreams: true,
    phase: true,
    priority: true,
    failStrategy: true,
    isolation: true,
    limits: true,
  },
  WasmPlugin: {
    selector: true,
    targetRef: true,
    targetRefs: true,
    url: true,
    sha256: true,
    imagePullPolicy: true,
    imagePullSecret: true,
    verificationKey: true,
    pluginConfig: true,
    pluginName: true,
    phase: true,
    priority: true,
    failStrategy: true,
    vmConfig: true,
    match: true,
    type: true,
  },
  RequestAuthentication: {
    selector: true,
    targetRef: unknownTarget,
    targetRefs: unknownTarget,
    jwtRules: {
      issuer: true,
      audiences: true,
      jwks: true,
      jwksUri: true,
      timeout: true,
      fromHeaders: true,
      fromParams: true,
      fromCookies: true,
      outputPayloadToHeader: true,
      outputClaimToHeaders: true,
      forwardOriginalToken: true,
      spaceDelimitedClaims: true,
    },
  },
  ServiceRole: { rules: accessRule },
  ServiceRoleBinding: { subjects: true, roleRef: true, role: true, mode: true, actions: accessRule },
  RbacConfig: true,
  ClusterRbacConfig: true,
  AuthorizationPolicy: {
    selector: true,
    targetRef: unknownTarget,
    targetRefs: unknownTarget,
    action: (value) => (value === 'CUSTOM' ? 'action CUSTOM (what it matches is denied)' : null),
    provider: true,
    rules: {
      from: {
        source: {
          principals: true,
          notPrincipals: true,
          namespaces: true,
          notNamespaces: true,
          serviceAccounts: true,
          notServiceAccounts: true,
          ipBlocks: true,
          notIpBlocks: true,
          remoteIpBlocks: true,
          notRemoteIpBlocks: true,
          trustDomains: true,
          notTrustDomains: true,
          requestPrincipals: true,
          notRequestPrincipals: true,
        },
      },
      to: true,
      when: unknownCondition,
    },
  },
  RateLimitPolicy: {
    selector: true,
    limits: true,
    scope: (value) => (value === 'mesh' ? 'counting together with other proxies (each counts for itself)' : null),
    enableXRatelimitHeaders: true,
    failOpen: true,
  },
  Telemetry: {
    selector: true,
    targetRef: true,
    targetRefs: true,
    tracing: 'tracing',
    metrics: {
      providers: ({ name }) => (name.toLowerCase() === 'prometheus' ? null : `the metrics provider ${name}`),
      overrides: {
        match: ({ metric, customMetric }: { metric?: string; customMetric?: string }) =>
          customMetric !== undefined
            ? `the custom metric ${customMetric}`
            : metric !== undefined && /^(?:TCP|GRPC)_/.test(metric)
              ? `the metric ${metric}`
              : null,
        disabled: true,
        tagOverrides: true,
      },
      reportingInterval: 'the reporting interval of metrics (they are read, not sent)',
    },
    accessLogging: {
      match: true,
      providers: ({ name }) => (name.toLowerCase() === 'envoy' ? null : `the access log provider ${name}`),
      disabled: true,
      filter: true,
    },
  },
};

/** Warnings, one for each thing that the resource asks for and does not get. */
export function unenforced(resource: Resource): Problem[] {
  const found = new Map<string, readonly (string | number)[]>();
  const name = kindName(resource) as KindName;
  const table = ENFORCED[name] as Node | undefined;
  const { namespace, name: called } = resource.metadata;
  const who = `${resource.kind} ${namespace === '' ? '' : `${namespace}/`}${called}`;
  if (table === undefined) found.set(`kind ${resource.kind} of ${resource.apiVersion}`, []);
  else visit(table, resource.spec, ['spec'], found);
  return [...found].map(([what, path]) => ({
    severity: 'warning',
    code: 'not_enforced',
    message: `not enforced yet: ${what} (${who})`,
    resource: resourceKey(resource),
    pointer: pointer(path),
  }));
}

/** The table without the types that only guard what is written in it. */
type Node = true | string | ((value: unknown) => string | null) | { readonly [field: string]: Node };

/** Adds what is not enforced, by its name, with the first place where it is asked for. */
function visit(
  node: Node,
  value: unknown,
  path: (string | number)[],
  found: Map<string, readonly (string | number)[]>,
): void {
  if (node === true) return;
  if (Array.isArray(value) && typeof node !== 'string') {
    value.forEach((item, i) => {
      visit(node, item, [...path, i], found);
    });
    return;
  }
  const what = typeof node === 'string' ? node : typeof node === 'function' ? node(value) : null;
  const given = !Array.isArray(value) || value.length > 0;
  if (what !== null && given && !found.has(what)) found.set(what, path);
  if (typeof node !== 'object') return;
  for (const [field, inner] of Object.entries(value as Record<string, unknown>)) {
    visit(Object.hasOwn(node, field) ? node[field] : field, inner, [...path, field], found);
  }
}

/** 'http-web' -> 'http'. A name that follows no convention leaves the protocol to be found out. */
function protocolOfName(name: string | undefined): string | undefined {
  return /^(http2?|grpc(?:-web)?|https|tls|tcp|mongo|mysql|redis|udp)(?:-|$)/.exec(name ?? '')?.[1];
}

function protocolFault(protocol: string | undefined): string | null {
  const name = protocol?.toUpperCase() ?? 'HTTP';
  if (name === 'HTTP' || name === 'GRPC-WEB') return null;
  return name === 'HTTP2' || name === 'GRPC' ? 'HTTP/2 towards a service' : `${name} ports`;
}
