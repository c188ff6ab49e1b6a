// A workload's key and the request to have it certified (PKCS #10, RFC 2986), written by hand: it is a few fixed bytes around a key
// and a signature, and a library for it would be the largest thing that a proxy's main thread loads.
//
//   CertificationRequest      SEQUENCE { info, algorithm ecdsa-with-SHA256, BIT STRING signature over info }
//   info                      SEQUENCE { INTEGER 0, SEQUENCE {} (no subject), the public key as SPKI, [0] {} (no attributes) }

import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';

const VERSION = Buffer.from('020100', 'hex');
const NO_SUBJECT = Buffer.from('3000', 'hex');
const NO_ATTRIBUTES = Buffer.from('a000', 'hex');
const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex');
const SEQUENCE = 0x30;
const BIT_STRING = 0x03;

/** P-256, as PKCS #8 in PEM. */
export function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return privateKey;
}

/** The request for a key, in PEM. */
export function certificateRequest(key: string): string {
  const privateKey = createPrivateKey(key);
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const info = der(SEQUENCE, [VERSION, NO_SUBJECT, spki, NO_ATTRIBUTES]);
  // No bit of its last byte is unused.
  const signature = der(BIT_STRING, [Buffer.of(0), sign('sha256', info, privateKey)]);
  const text = der(SEQUENCE, [info, ECDSA_WITH_SHA256, signature])
    .toString('base64')
    .replaceAll(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN CERTIFICATE REQUEST-----\n${text}\n-----END CERTIFICATE REQUEST-----\n`;
}

function der(tag: number, parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}
