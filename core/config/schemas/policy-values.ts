// Values of authorization policies that can match nothing as they stand: each check says why, or null. Who writes one believes
// in a policy that never applies, so they are refused, as in Istio.

import { nonEmpty, quote } from '../formats.ts';
import { array, string } from '../schema.ts';

/** Istio's. */
export const MAX_ACCOUNTS = 16;
const MAX_ACCOUNT_LENGTH = 320;
/** The characters of a path segment, RFC 3986 appendix A (pchar). */
const SEGMENT = /^[-\w.~%!$&'()+,;:@=]+$/;

/** Exact, with a * at one end, or a template of segments {*} and {**}, which has no other wildcard. */
export function pathFault(value: string): string | null {
  if (value === '') return 'must not be empty';
  const isOperator = (segment: string): boolean => segment === '{*}' || segment === '{**}';
  const segments = value.replace(/^\/+|\/+$/g, '').split('/');
  const operators = segments.filter(isOperator);
  const others = segments.filter((segment) => !isOperator(segment));
  if (
    others.some((segment) => /[{}]/.test(segment)) ||
    (operators.length > 0 && others.some((segment) => /[*]/.test(segment)))
  ) {
    return `${quote(value)} is no path template: {*} and {**} are whole segments, and no other brace or wildcard goes with them`;
  }
  if (operators.slice(0, -1).includes('{**}')) {
    return `${quote(value)} is no path template: {**} has to be its last operator`;
  }
  const unfit = operators.length === 0 ? undefined : others.find((segment) => !SEGMENT.test(segment));
  if (unfit === undefined) return null;
  return unfit === ''
    ? `${quote(value)} is no path template: a segment is empty`
    : `${quote(value)} is no path template: ${quote(unfit)} is no segment of a path`;
}

export function serviceAccountFault(value: string): string | null {
  if (value.includes('*')) return `${quote(value)}: a service account has no wildcard`;
  const [first, second, ...more] = value.split('/');
  if (more.length > 0 || first === '' || second === '') {
    return `${quote(value)} is no service account: "account", in the policy's own namespace, or "namespace/account"`;
  }
  return value.length > MAX_ACCOUNT_LENGTH ? `longer than ${MAX_ACCOUNT_LENGTH} characters` : null;
}

export function trustDomainFault(value: string): string | null {
  return /[/:]/.test(value)
    ? `${quote(value)} is no trust domain: a name such as "cluster.local", and nothing of an identity else`
    : null;
}

export function portFault(value: string): string | null {
  return /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65535
    ? null
    : `${quote(value)} is no port: a number from 1 to 65535`;
}

export const patterns = array(nonEmpty);
export const paths = array(string({ code: 'path', check: pathFault }));
export const ports = array(string({ code: 'range', check: portFault }));
export const trustDomains = array(string({ code: 'name', check: trustDomainFault }));
export const serviceAccounts = array(string({ code: 'name', check: serviceAccountFault }));
