// RequestAuthentication: which JSON web tokens a workload accepts. An invalid token is refused; a missing one is not, unless
// the rule requires one or an AuthorizationPolicy asks for a request principal.

import { headerName, nonEmpty, positiveDuration, quote, text } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { array, boolean, defaulted, object, oneOf, optional, type Static, string } from '../schema.ts';
import { ATTACHMENT, attachment } from '../schemas/selectors.ts';

const httpUrl = string({
  code: 'url',
  check: (value) => (isHttpUrl(value) ? null : `${quote(value)} is no http or https URL`),
});

const keySet = string({
  code: 'jwks',
  check(value) {
    try {
      const set: unknown = JSON.parse(value);
      if (typeof set === 'object' && set !== null && 'keys' in set && Array.isArray(set.keys)) return null;
      return 'no JSON web key set: it has no list of keys';
    } catch {
      return 'no JSON web key set: not JSON';
    }
  },
});

/** As Istio: of letters, digits and '-' alone. */
const claimHeader = string({
  code: 'header_name',
  check: (value) =>
    /^[-A-Za-z0-9]+$/.test(value) ? null : `${quote(value)} is no header for a claim: letters, digits and '-'`,
});

export const JWTRule = object(
  {
    /** '': of any issuer, whose keys are given. */
    issuer: defaulted(text, ''),
    /** Left out: OPTIONAL. */
    presence: optional(oneOf('OPTIONAL', 'REQUIRED')),
    audiences: optional(array(nonEmpty)),
    jwksUri: optional(httpUrl),
    jwks: optional(keySet),
    fromHeaders: optional(array(object({ name: headerName, prefix: optional(text) }))),
    fromParams: optional(array(nonEmpty)),
    outputPayloadToHeader: optional(headerName),
    fromCookies: optional(array(nonEmpty)),
    forwardOriginalToken: optional(boolean),
    outputClaimToHeaders: optional(array(object({ header: claimHeader, claim: nonEmpty }))),
    timeout: optional(positiveDuration),
    spaceDelimitedClaims: optional(array(nonEmpty)),
  },
  {
    atMostOne: [['jwksUri', 'jwks']],
    aliases: { jwks_uri: 'jwksUri' },
    check({ issuer, jwks, jwksUri }, report) {
      if (jwks !== undefined || jwksUri !== undefined || isHttpUrl(issuer)) return;
      if (issuer === '') {
        report.error([], 'required', 'an issuer is missing, or keys of those whom it may be');
        return;
      }
      report.warning(
        ['issuer'],
        'jwks',
        'neither jwks nor jwksUri, and the issuer is no URL to find its keys at: its tokens are refused',
      );
    },
  },
);
export type JWTRule = Static<typeof JWTRule>;

export const RequestAuthenticationSpec = object(
  { ...attachment, jwtRules: optional(array(JWTRule)) },
  { atMostOne: [ATTACHMENT] },
);
export type RequestAuthenticationSpec = Static<typeof RequestAuthenticationSpec>;

export const requestAuthentication = defineKind({
  name: 'RequestAuthentication',
  shortNames: ['ra'],
  group: 'security.istio.io',
  versions: ['v1', 'v1beta1'],
  scope: 'namespace',
  spec: RequestAuthenticationSpec,
});

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.username === '';
}
