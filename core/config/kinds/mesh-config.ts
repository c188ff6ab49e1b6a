// MeshConfig: what holds for the whole mesh, in the fields of Istio's meshConfig. There is one, named 'default'; a change of it
// is live as that of any other resource is.

import { duration, port, portOrZero, positiveDuration, quote, text } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { array, boolean, notEnforced, object, oneOf, optional, type Static, string, struct } from '../schema.ts';
import { ExtensionProvider } from '../schemas/extension-provider.ts';
import { HTTPRetry } from '../schemas/http-actions.ts';
import { checkExportTo, exportTo } from '../schemas/networking.ts';
import { ProxySettings } from '../schemas/proxy-settings.ts';
import { TLSConfig } from '../schemas/tls-limits.ts';

/** Of a switch: what it asks for unless it says what happens anyway. */
function unless<Value>(usual: Value, what: string): (value: Value) => string | null {
  return (value) => (value === usual ? null : what);
}

/** Every rule about an identity is about one in each. */
const MOST_ALIASES = 32;
/** As SPIFFE has them, section 2.1 of its identities: each is compared as it stands, so there is no wildcard. */
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;

function aliasFault(value: string): string | null {
  return TRUST_DOMAIN.test(value)
    ? null
    : `${quote(value)} is no trust domain: a name such as "old.example", of small letters, digits, '.', '-' and '_'`;
}

const PathNormalization = object({
  normalization: optional(oneOf('DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES')),
});

export const MeshConfigSpec = object(
  {
    /** Whom policies of action CUSTOM ask. */
    extensionProviders: optional(array(ExtensionProvider)),
    outboundTrafficPolicy: optional(object({ mode: optional(oneOf('REGISTRY_ONLY', 'ALLOW_ANY')) })),
    accessLogFile: notEnforced(optional(text), 'accessLogFile (write a Telemetry, or give proxies --access-log)'),
    accessLogFormat: notEnforced(optional(text), unless('', 'accessLogFormat')),
    accessLogEncoding: notEnforced(optional(oneOf('TEXT', 'JSON')), 'accessLogEncoding (give proxies --access-log)'),
    enableTracing: notEnforced(optional(boolean), unless(false, 'enableTracing')),
    defaultConfig: optional(ProxySettings),
    defaultProviders: notEnforced(optional(struct())),
    /** Of Services and ServiceEntries, VirtualServices and DestinationRules that have no exportTo. Left out: everybody. */
    defaultServiceExportTo: exportTo,
    defaultVirtualServiceExportTo: exportTo,
    defaultDestinationRuleExportTo: exportTo,
    /** Of services whose rules say nothing of it. Left out: 10s. */
    connectTimeout: optional(positiveDuration),
    tcpKeepalive: notEnforced(optional(struct())),
    /** How long clients may be silent at ports that may be of a protocol whose server speaks first. Left out: 100ms; 0s: for ever. */
    protocolDetectionTimeout: optional(duration),
    /** Ours: ports whose servers speak first, beside 25, 53, 3306, 4222 and 27017. Where nothing is declared of one, it is of TCP. */
    serverFirstPorts: optional(array(port)),
    /** Of services whose ports are of HTTP, where rules leave it at DEFAULT. DO_NOT_UPGRADE: nor do requests share connections. */
    h2UpgradePolicy: optional(oneOf('DO_NOT_UPGRADE', 'UPGRADE')),
    /** Of routes that say nothing of retries. */
    defaultHttpRetryPolicy: optional(HTTPRetry),
    /** Of TLS between workloads, and of all other TLS that servers of gateways and DestinationRules say nothing of. */
    meshMTLS: optional(TLSConfig),
    tlsDefaults: optional(TLSConfig),
    pathNormalization: notEnforced(optional(PathNormalization), ({ normalization }) =>
      normalization === 'NONE' ? 'pathNormalization NONE (paths are normalised as BASE says)' : null,
    ),
    trustDomain: notEnforced(optional(text), 'trustDomain (it is the authority that has one: see `mesh up`)'),
    /** Other trust domains: who has a certificate there is who its account is here, in policies and to who calls it. */
    trustDomainAliases: optional(array(string({ code: 'name', check: aliasFault }))),
    rootNamespace: notEnforced(optional(text), unless('istio-system', 'rootNamespace (it is istio-system)')),
    caCertificates: notEnforced(optional(array(struct()))),
    enableAutoMtls: notEnforced(optional(boolean), unless(true, 'enableAutoMtls: false')),
    enablePrometheusMerge: notEnforced(optional(boolean), unless(false, 'enablePrometheusMerge')),
    localityLbSetting: notEnforced(optional(struct()), 'balancing by locality'),
    verifyCertificateAtClient: notEnforced(optional(boolean), unless(true, 'verifyCertificateAtClient: false')),
    inboundTrafficPolicy: notEnforced(optional(struct())),
    discoverySelectors: notEnforced(optional(array(struct()))),
    serviceSettings: notEnforced(optional(array(struct()))),
    serviceScopeConfigs: notEnforced(optional(array(struct()))),
    dnsRefreshRate: notEnforced(optional(duration)),
    inboundClusterStatName: notEnforced(optional(text)),
    outboundClusterStatName: notEnforced(optional(text)),
    disableEnvoyListenerLog: notEnforced(optional(boolean), unless(false, 'disableEnvoyListenerLog')),
    enableEnvoyAccessLogService: notEnforced(optional(boolean), unless(false, 'enableEnvoyAccessLogService')),
    proxyListenPort: notEnforced(optional(portOrZero)),
    proxyInboundListenPort: notEnforced(optional(portOrZero)),
    proxyHttpPort: notEnforced(optional(portOrZero)),
    ingressClass: notEnforced(optional(text)),
    ingressService: notEnforced(optional(text)),
    ingressSelector: notEnforced(optional(text)),
    ingressControllerMode: notEnforced(optional(oneOf('UNSPECIFIED', 'OFF', 'DEFAULT', 'STRICT'))),
    configSources: notEnforced(optional(array(struct()))),
    certificates: notEnforced(optional(array(struct()))),
    ca: notEnforced(optional(struct())),
  },
  {
    check(spec, report) {
      const { extensionProviders = [], pathNormalization, trustDomainAliases = [] } = spec;
      checkExportTo(spec.defaultServiceExportTo, true, report, 'defaultServiceExportTo');
      for (const field of ['defaultVirtualServiceExportTo', 'defaultDestinationRuleExportTo'] as const) {
        checkExportTo(spec[field], false, report, field);
      }
      if (trustDomainAliases.length > MOST_ALIASES) {
        report.error(['trustDomainAliases'], 'limit', `more than ${MOST_ALIASES} trust domains`);
      }
      const names = new Set<string>();
      extensionProviders.forEach(({ name }, i) => {
        if (names.has(name)) {
          const message = `the extension provider ${JSON.stringify(name)} is defined twice`;
          report.error(['extensionProviders', i, 'name'], 'duplicate', message);
        }
        names.add(name);
      });
      const how = pathNormalization?.normalization;
      if (how !== 'MERGE_SLASHES' && how !== 'DECODE_AND_MERGE_SLASHES') return;
      const message = `${how} is not enforced: policies written for such paths would let others pass, so it is refused`;
      report.error(['pathNormalization', 'normalization'], 'unsupported', message);
    },
  },
);
export type MeshConfigSpec = Static<typeof MeshConfigSpec>;

export const meshConfig = defineKind({
  name: 'MeshConfig',
  group: 'weft.dev',
  versions: ['v1'],
  scope: 'cluster',
  names: ['default'],
  spec: MeshConfigSpec,
});
