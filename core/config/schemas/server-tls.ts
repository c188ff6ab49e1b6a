// TLS of a gateway's server or a sidecar's listener: its mode, and where its certificates come from. Istio's rules of what
// goes together.

import { quote, text, texts } from '../formats.ts';
import { array, boolean, notEnforced, object, oneOf, optional, partly, type Report, type Static } from '../schema.ts';

const tlsVersion = oneOf('TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3');

/** Older ones are not served, whatever is asked for. */
const version = partly(optional(tlsVersion), (asked) =>
  asked === 'TLSV1_0' || asked === 'TLSV1_1' ? 'versions of TLS before 1.2' : null,
);
const certificate = {
  serverCertificate: optional(text),
  privateKey: optional(text),
  caCertificates: optional(text),
};

export const ServerTLSSettings = object(
  {
    /** Every request is sent to the same place by https. */
    httpsRedirect: optional(boolean),
    /** Left out: PASSTHROUGH. */
    mode: optional(oneOf('PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL')),
    serverCertificate: optional(text),
    privateKey: optional(text),
    caCertificates: optional(text),
    caCrl: optional(text),
    credentialName: optional(text),
    credentialNames: optional(texts),
    caCertCredentialName: optional(text),
    tlsCertificates: optional(array(object(certificate))),
    subjectAltNames: optional(texts),
    verifyCertificateSpki: optional(texts),
    verifyCertificateHash: optional(texts),
    minProtocolVersion: version,
    maxProtocolVersion: version,
    cipherSuites: optional(texts),
    ecdhCurves: optional(array(oneOf('X25519MLKEM768', 'X25519', 'P-256', 'P-384', 'P-521'))),
    insecureSkipVerify: notEnforced(optional(boolean)),
  },
  {
    check(tls, report) {
      ciphers(tls, report);
      if (tls.mode === 'ISTIO_MUTUAL') ownCertificates(tls, report);
      else certificates(tls, report);
    },
  },
);
export type ServerTLSSettings = Static<typeof ServerTLSSettings>;

/** The fields that the rules are about; of a type that stands before the schema that has them. */
type Settings = Readonly<
  Partial<
    Record<
      | 'mode'
      | 'serverCertificate'
      | 'privateKey'
      | 'caCertificates'
      | 'caCrl'
      | 'credentialName'
      | 'caCertCredentialName'
      | 'minProtocolVersion',
      string
    >
  >
> & {
  readonly credentialNames?: readonly string[];
  readonly cipherSuites?: readonly string[];
  readonly tlsCertificates?: readonly { readonly serverCertificate?: string; readonly privateKey?: string }[];
};

const CERTIFICATES = [
  ...(['serverCertificate', 'privateKey', 'caCertificates', 'tlsCertificates'] as const),
  ...(['credentialName', 'credentialNames'] as const),
];

const isGiven = (value: string | readonly unknown[] | undefined): boolean => value !== undefined && value.length > 0;

function ownCertificates(tls: Settings, report: Report): void {
  for (const field of CERTIFICATES) {
    if (!isGiven(tls[field])) continue;
    report.error(
      [field],
      'contradiction',
      `${field} does not go with ISTIO_MUTUAL: it uses the mesh's own certificates`,
    );
  }
}

function certificates(tls: Settings, report: Report): void {
  const { mode = 'PASSTHROUGH', tlsCertificates = [], caCrl } = tls;
  const pair = isGiven(tls.serverCertificate) && isGiven(tls.privateKey);
  const named = isGiven(tls.credentialName) || isGiven(tls.credentialNames);
  const sources = [pair, isGiven(tls.credentialName), isGiven(tls.credentialNames), tlsCertificates.length > 0];
  if (sources.filter(Boolean).length > 1) {
    const message =
      'write one of credentialName, credentialNames, tlsCertificates, or serverCertificate with privateKey';
    report.error([], 'oneof', message);
    return;
  }
  if (mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH') {
    if (isGiven(caCrl) && isGiven(tls.credentialName)) {
      report.error(['caCrl'], 'contradiction', 'a credential has its own revocation list');
    } else if (isGiven(caCrl) || CERTIFICATES.some((field) => isGiven(tls[field]))) {
      report.warning([], 'tls', `mode ${mode} uses no certificates: those that are given have no effect`);
    }
    return;
  }
  if (named) return;
  if (mode !== 'SIMPLE' && !isGiven(tls.caCertificates) && !isGiven(tls.caCertCredentialName)) {
    report.error([], 'required', `mode ${mode} needs caCertificates (or a credentialName)`);
  }
  if (tlsCertificates.length === 0) wholePair(tls, mode, [], report);
  tlsCertificates.forEach((each, i) => {
    wholePair(each, mode, ['tlsCertificates', i], report);
  });
  if (tlsCertificates.length > 2) {
    report.warning(['tlsCertificates'], 'limit', 'more than two certificates: one for RSA and one for ECDSA are used');
  }
  if (isGiven(caCrl) && mode === 'SIMPLE') {
    report.error(['caCrl'], 'contradiction', 'mode SIMPLE asks for no certificates that could be revoked');
  }
}

function wholePair(
  pair: { readonly serverCertificate?: string; readonly privateKey?: string },
  mode: string,
  at: readonly (string | number)[],
  report: Report,
): void {
  for (const field of ['serverCertificate', 'privateKey'] as const) {
    if (isGiven(pair[field])) continue;
    report.error(at, 'required', `mode ${mode} needs ${field}${at.length === 0 ? ' (or a credentialName)' : ''}`);
  }
}

/** Of BoringSSL, by OpenSSL's names. */
const CIPHERS = new Set([
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ...['ECDHE-ECDSA-AES128-SHA', 'ECDHE-RSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA', 'ECDHE-RSA-AES256-SHA'],
  ...['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'AES128-SHA', 'AES256-SHA', 'DES-CBC3-SHA', 'ALL', ''],
]);

/** What begins with a sign is an operation of OpenSSL's cipher strings. */
function ciphers({ cipherSuites = [], minProtocolVersion }: Settings, report: Report): void {
  if ((minProtocolVersion === 'TLSV1_0' || minProtocolVersion === 'TLSV1_1') && cipherSuites.length === 0) {
    const message = 'no cipher suite of the usual ones works with versions before TLSV1_2: write cipherSuites, too';
    report.warning(['minProtocolVersion'], 'tls', message);
  }
  cipherSuites.forEach((suite, i) => {
    const fault =
      /^[A-Za-z0-9]/.test(suite) && !CIPHERS.has(suite)
        ? `${quote(suite)} is no cipher suite: it is ignored`
        : cipherSuites.indexOf(suite) < i
          ? `${quote(suite)} is listed twice`
          : null;
    if (fault !== null) report.warning(['cipherSuites', i], 'tls', fault);
  });
}
