// A workload's certificate, written by hand: all but its number, time, key and name are the same bytes in every one of an issuer. A
// thousand proxies that join ask for a thousand of them, and a library takes 9 ms for each where this takes a fraction of one.
//
//   Certificate      SEQUENCE { tbs, algorithm, BIT STRING signature over tbs }                                      (RFC 5280 4.1)
//   tbs              SEQUENCE { [0] version 3, serial, algorithm, issuer, validity, no subject, key, [3] extensions }
import { type KeyObject, sign } from 'node:crypto';
import { BIT_STRING, der, GENERALIZED_TIME, INTEGER, OCTET_STRING, SEQUENCE, tagged, UTC_TIME } from './der.ts';

/** What is the same in every workload's certificate of an issuer. */
export interface Form {
  readonly key: KeyObject;
  readonly hash: 'sha256' | 'sha384';
  /** Its name, and extensions beside the workload's name, in DER. */
  readonly issuer: Buffer;
  readonly extensions: Buffer;
}

export interface Leaf {
  readonly form: Form;
  /** SPKI in DER. */
  readonly key: Buffer;
  readonly spiffe: string;
  /** Its number: positive, and as short as it can be written. */
  readonly serial: Buffer;
  readonly from: Date;
  readonly until: Date;
}

const VERSION_3 = Buffer.from('a003020102', 'hex');
const NO_SUBJECT = Buffer.from('3000', 'hex');
const ALGORITHMS = {
  ec: {
    sha256: Buffer.from('300a06082a8648ce3d040302', 'hex'),
    sha384: Buffer.from('300a06082a8648ce3d040303', 'hex'),
  },
  rsa: {
    sha256: Buffer.from('300d06092a864886f70d01010b0500', 'hex'),
    sha384: Buffer.from('300d06092a864886f70d01010c0500', 'hex'),
  },
};
/** subjectAltName, critical: RFC 5280 4.2.1.6 has it so where the subject is empty. */
const ALTERNATIVE_NAME = Buffer.from('0603551d110101ff', 'hex');
/** uniformResourceIdentifier, primitive. */
const URI = 0x86;
const WHOLE_YEARS_FROM = 2050;

/** In PEM. Throws an Error in one clause for a name that no certificate can carry. */
export function writeLeaf({ form, key, spiffe, serial, from, until }: Leaf): string {
  if (!/^[\x21-\x7e]+$/.test(spiffe)) throw new Error(`no certificate names ${JSON.stringify(spiffe)}`);
  const algorithm = ALGORITHMS[form.key.asymmetricKeyType === 'rsa' ? 'rsa' : 'ec'][form.hash];
  const name = der(OCTET_STRING, der(SEQUENCE, der(URI, Buffer.from(spiffe))));
  const extensions = der(SEQUENCE, form.extensions, der(SEQUENCE, ALTERNATIVE_NAME, name));
  const tbs = der(
    SEQUENCE,
    VERSION_3,
    der(INTEGER, serial),
    algorithm,
    form.issuer,
    der(SEQUENCE, time(from), time(until)),
    NO_SUBJECT,
    key,
    der(tagged(3), extensions),
  );
  const signature = der(BIT_STRING, Buffer.of(0), sign(form.hash, tbs, form.key));
  const text = der(SEQUENCE, tbs, algorithm, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${text.replaceAll(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----`;
}

/** RFC 5280 4.1.2.5: with two digits of the year until 2049. */
function time(at: Date): Buffer {
  const [date, clock] = at.toISOString().split('T');
  const digits = `${date.replaceAll('-', '')}${clock.slice(0, 8).replaceAll(':', '')}Z`;
  if (at.getUTCFullYear() >= WHOLE_YEARS_FROM) return der(GENERALIZED_TIME, Buffer.from(digits));
  return der(UTC_TIME, Buffer.from(digits.slice(2)));
}
