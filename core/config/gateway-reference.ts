// How a VirtualService names a Gateway: 'mesh', 'name' in its own namespace, 'namespace/name', or the old 'name.namespace' with
// whatever follows.

import { quote } from './formats.ts';
import { nameFault } from './hosts.ts';
import { string } from './schema.ts';

const LABEL = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/;

export const gatewayReference = string({
  code: 'name',
  check(value) {
    const parts = value.split('/');
    const sound =
      parts.length === 1 ? nameFault(value, { wildcard: false }) === null : parts.every((part) => LABEL.test(part));
    return sound && parts.length <= 2 ? null : `${quote(value)} is no gateway: write its name, namespace/name or mesh`;
  },
});

/** 'mesh', or 'namespace/name'. */
export function gatewayKey(reference: string, namespace: string): string {
  if (reference === 'mesh' || reference.includes('/')) return reference;
  const [name, owner] = reference.split('.');
  return `${owner || namespace}/${name}`;
}

export function isOldReference(reference: string): boolean {
  return reference.includes('.') && !reference.includes('/');
}
