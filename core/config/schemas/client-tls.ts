// TLS towards a service, as a DestinationRule asks for it: what goes together by Istio's rules.

import { quote, text, texts } from '../formats.ts';
import { boolean, object, oneOf, optional, partly, type Report, type Static } from '../schema.ts';

const FILES = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const;
const SHOWN: readonly string[] = ['clientCertificate', 'privateKey'];
/** Why a mode does nothing with a field; ''. */
const UNUSED: Readonly<Record<string, (field: string) => string>> = {
  DISABLE: () => 'in mode DISABLE plain text is spoken',
  ISTIO_MUTUAL: () => "ISTIO_MUTUAL uses the mesh's own certificates",
  SIMPLE: (field) => (SHOWN.includes(field) ? 'in mode SIMPLE no certificate is shown' : ''),
  MUTUAL: () => '',
};
const CONFIG_MAP = 'configmap://';
const CONFIG_MAPS = 'credentialName of a ConfigMap (nothing is sent with it: name a secret)';
/** As Envoy and OpenSSL call them, and what X25519 is paired with. */
const CURVES = ['X25519MLKEM768', 'X25519', 'P-256', 'P-384', 'P-521'];

export const ClientTLSSettings = object(
  {
    mode: optional(oneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL')),
    clientCertificate: optional(text),
    privateKey: optional(text),
    caCertificates: optional(text),
    // Nothing is sent where it is asked for: not by other certificates, and not in plain text.
    credentialName: partly(optional(text), (name) => (isConfigMap(name ?? '') ? CONFIG_MAPS : null)),
    subjectAltNames: optional(texts),
    sni: optional(text),
    insecureSkipVerify: optional(boolean),
    caCrl: optional(text),
    ecdhCurves: optional(texts),
  },
  {
    check(tls, report) {
      const { mode = 'DISABLE', credentialName } = tls;
      for (const field of [...FILES, 'credentialName'] as const) {
        const why = UNUSED[mode](field);
        if (tls[field] && why !== '') report.warning([field], 'tls', `${field} has no effect: ${why}`);
      }
      if (mode !== 'SIMPLE' && mode !== 'MUTUAL') return;
      tls.ecdhCurves?.forEach((curve, i) => {
        if (CURVES.includes(curve)) return;
        report.error(['ecdhCurves', i], 'enum', `${quote(curve)} is none of ${CURVES.join(', ')}`);
      });
      if (tls.insecureSkipVerify === true) {
        // Istio says nothing of it.
        const believed = 'whoever answers is believed: insecureSkipVerify verifies nobody';
        report.warning(['insecureSkipVerify'], 'tls', believed);
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

export function isConfigMap(credentialName: string): boolean {
  return credentialName.startsWith(CONFIG_MAP);
}

/** Certificates of authorities may come from a ConfigMap of the rule's namespace: configmap://name. */
export function checkConfigMap(
  tls: ClientTLSSettings | undefined,
  namespace: string,
  at: readonly (string | number)[],
  report: Report,
): void {
  const name = tls?.credentialName ?? '';
  if (!isConfigMap(name)) return;
  const parts = name.slice(CONFIG_MAP.length).split('/');
  const fault =
    parts.length > 2 || parts.includes('')
      ? `is no ConfigMap: ${CONFIG_MAP}name`
      : parts.length === 2 && parts[0] !== namespace
        ? 'is of another namespace than the rule'
        : null;
  if (fault !== null) report.error([...at, 'tls', 'credentialName'], 'reference', `${quote(name)} ${fault}`);
}
