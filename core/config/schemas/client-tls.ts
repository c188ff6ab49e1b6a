// TLS towards a service, as a DestinationRule asks for it: what goes together by Istio's rules.

import { quote, text, texts } from '../formats.ts';
import { boolean, notEnforced, object, oneOf, optional, partly, type Report, type Static } from '../schema.ts';

const ORIGINATION = 'TLS origination';
const FILES = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const;

export const ClientTLSSettings = object(
  {
    mode: partly(optional(oneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL')), (mode) =>
      mode === 'SIMPLE' || mode === 'MUTUAL' ? ORIGINATION : null,
    ),
    clientCertificate: notEnforced(optional(text), ORIGINATION),
    privateKey: notEnforced(optional(text), ORIGINATION),
    caCertificates: notEnforced(optional(text), ORIGINATION),
    credentialName: notEnforced(optional(text), ORIGINATION),
    subjectAltNames: optional(texts),
    sni: optional(text),
    insecureSkipVerify: notEnforced(optional(boolean), ORIGINATION),
    caCrl: notEnforced(optional(text), ORIGINATION),
    ecdhCurves: notEnforced(optional(texts), ORIGINATION),
  },
  {
    check(tls, report) {
      const { mode, credentialName } = tls;
      if (mode === 'ISTIO_MUTUAL') {
        for (const field of [...FILES, 'credentialName'] as const) {
          if (!tls[field]) continue;
          report.warning([field], 'tls', `${field} has no effect: ISTIO_MUTUAL uses the mesh's own certificates`);
        }
      }
      if (mode !== 'SIMPLE' && mode !== 'MUTUAL') return;
      if (tls.insecureSkipVerify === true) {
        // A credential may be the client's, in MUTUAL.
        for (const field of ['caCertificates', 'subjectAltNames', 'credentialName'] as const) {
          if (!tls[field]?.length || (field === 'credentialName' && mode === 'MUTUAL')) continue;
          report.error([field], 'contradiction', `${field} verifies the server, and insecureSkipVerify says not to`);
        }
      }
      if (credentialName) {
        for (const field of FILES) {
          if (tls[field])
            report.error([field], 'contradiction', `${field} does not go with credentialName: it has its own`);
        }
      } else if (mode === 'MUTUAL') {
        for (const field of ['clientCertificate', 'privateKey'] as const) {
          if (!tls[field]) report.error([], 'required', `mode MUTUAL needs ${field} (or a credentialName)`);
        }
      }
    },
  },
);
export type ClientTLSSettings = Static<typeof ClientTLSSettings>;

const CONFIG_MAP = 'configmap://';

/** Certificates of authorities may come from a ConfigMap of the rule's namespace: configmap://name. */
export function checkConfigMap(
  tls: ClientTLSSettings | undefined,
  namespace: string,
  at: readonly (string | number)[],
  report: Report,
): void {
  const name = tls?.credentialName ?? '';
  if (!name.startsWith(CONFIG_MAP)) return;
  const parts = name.slice(CONFIG_MAP.length).split('/');
  const fault =
    parts.length > 2 || parts.includes('')
      ? `is no ConfigMap: ${CONFIG_MAP}name`
      : parts.length === 2 && parts[0] !== namespace
        ? 'is of another namespace than the rule'
        : null;
  if (fault !== null) report.error([...at, 'tls', 'credentialName'], 'reference', `${quote(name)} ${fault}`);
}
