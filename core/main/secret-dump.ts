// A certificate as people see it at the admin endpoint.

import { X509Certificate } from 'node:crypto';
import type { SecretDump } from '../admin/host.ts';
import { fingerprintOf } from '../config/pem.ts';

/** `now`: ms of the epoch. */
export function shownCertificate(pem: string, name: string, type: SecretDump['type'], now: number): SecretDump {
  const certificate = new X509Certificate(pem);
  const { validFromDate: from, validToDate: to, serialNumber, subject, subjectAltName } = certificate;
  const expired = to.getTime() <= now;
  return {
    name,
    type,
    status: expired ? 'EXPIRED' : 'ACTIVE',
    valid: !expired && from.getTime() <= now,
    serialNumber,
    notAfter: to.toISOString(),
    notBefore: from.toISOString(),
    identity: subjectAltName?.replaceAll('URI:', '') ?? subject.replaceAll('\n', ', '),
    fingerprint: fingerprintOf(pem),
  };
}
