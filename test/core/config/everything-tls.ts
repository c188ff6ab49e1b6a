// What a DestinationRule may say of TLS: each field, in the modes that read it.

export const ORIGINATED = {
  ...{ mode: 'MUTUAL', clientCertificate: 'a', privateKey: 'b', caCertificates: 'c', credentialName: '' },
  ...{ subjectAltNames: ['a.test'], sni: 'a', insecureSkipVerify: false, caCrl: 'e', ecdhCurves: ['X25519'] },
};
export const CREDENTIAL = { mode: 'SIMPLE', credentialName: 'configmap://a' };

/** With what has no effect in it, too. */
export const MUTUAL = {
  ...{ mode: 'ISTIO_MUTUAL', clientCertificate: 'a', privateKey: 'b', caCertificates: 'c', credentialName: 'd' },
  ...{ subjectAltNames: ['spiffe://a/ns/b/sa/c'], sni: 'a', insecureSkipVerify: true, caCrl: 'e' },
  ecdhCurves: ['X25519'],
};
