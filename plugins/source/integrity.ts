// The digest of a tarball as npm and lockfiles write it.
import { createHash } from 'node:crypto';

/** 'sha512-<base64>' */
export function integrityOf(bytes: Uint8Array): string {
  return `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
}
