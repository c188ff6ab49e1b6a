// What a workload asks to have certified (PKCS #10, RFC 2986). Of all that it says the key alone counts, and that who asks has it.
//
//   CertificationRequest      SEQUENCE { info, algorithm, BIT STRING signature over info }
//   info                      SEQUENCE { INTEGER 0, subject, the public key as SPKI, [0] attributes }
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { BIT_STRING, INTEGER, readDer, SEQUENCE, tagged } from './der.ts';

const PEM =
  /^\s*-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END (?:NEW )?CERTIFICATE REQUEST-----\s*$/;
/** ecdsa-with-SHA256, -SHA384 and -SHA512 (RFC 5758): all but the last byte, and which hash that is. */
const ECDSA = Buffer.from('06082a8648ce3d0403', 'hex');
const HASHES = new Map([
  [2, 'sha256'],
  [3, 'sha384'],
  [4, 'sha512'],
]);

/** The P-256 key of a request in PEM, as SPKI in DER. Throws an Error in one clause for what is no such request. */
export function keyAsked(csr: string): Buffer {
  const text = PEM.exec(csr)?.[1];
  let asked: Buffer | null = null;
  let cause: unknown;
  try {
    if (text !== undefined) asked = signedKey(Buffer.from(text, 'base64'));
  } catch (error) {
    cause = error;
  }
  if (asked === null) throw new Error('that is no certificate signing request of a P-256 key', { cause });
  return asked;
}

/** null: its signature is not that of its key. Throws for what cannot be read. */
function signedKey(bytes: Buffer): Buffer | null {
  const whole = readDer(bytes, 0, bytes.byteLength, SEQUENCE);
  const info = readDer(bytes, whole.at, whole.end, SEQUENCE);
  const algorithm = readDer(bytes, info.end, whole.end, SEQUENCE);
  const signature = readDer(bytes, algorithm.end, whole.end, BIT_STRING);
  const version = readDer(bytes, info.at, info.end, INTEGER);
  const subject = readDer(bytes, version.end, info.end, SEQUENCE);
  const spki = readDer(bytes, subject.end, info.end, SEQUENCE);
  const attributes = readDer(bytes, spki.end, info.end, tagged(0));
  if (whole.end !== bytes.byteLength || signature.end !== whole.end || attributes.end !== info.end) return null;
  const named = bytes.subarray(algorithm.at, algorithm.end);
  const hash = named.subarray(0, -1).equals(ECDSA) ? HASHES.get(named[named.byteLength - 1]) : undefined;
  // No bit of its last byte is unused.
  if (hash === undefined || bytes[signature.at] !== 0) return null;
  const key = createPublicKey({ key: bytes.subarray(spki.from, spki.end), format: 'der', type: 'spki' });
  if (!isP256(key)) return null;
  if (!verify(hash, bytes.subarray(info.from, info.end), key, bytes.subarray(signature.at + 1, signature.end))) {
    return null;
  }
  // As it is written here, whatever way the request chose.
  return key.export({ format: 'der', type: 'spki' });
}

function isP256({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  return asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1';
}
