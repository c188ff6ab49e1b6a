// What an object is known by, for those who never speak to NATS as well.
import { hash } from 'node:crypto';

export const MAX_OBJECT_BYTES = 64 * 1024 * 1024;

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${hash('sha256', bytes)}`;
}
