// What Istio's validation takes and refuses of RequestAuthentications and PeerAuthentications.

import type { Cases } from './cases.ts';

const FOO = 'issuer: foo.com, jwksUri: https://foo.com/keys';
const rule = (fields: string): string => `{jwtRules: [{${fields}}]}`;
const foo = (fields: string): string => rule(`${FOO}, ${fields}`);
const copied = (fields: string): string => foo(`outputClaimToHeaders: [{${fields}}]`);

export const REQUEST_AUTHENTICATION: Cases = {
  apiVersion: 'security.istio.io/v1',
  kind: 'RequestAuthentication',
  taken: [
    '{}',
    '{jwtRules: []}',
    rule(FOO),
    rule('issuer: https://foo.com'),
    rule('jwksUri: https://foo.com/keys'),
    rule('issuer: foo.com, jwksUri: "http://foo.com:8080/keys?a=b"'),
    rule(`issuer: foo.com, jwks: '{"keys": [{"kty": "oct", "k": "YQ", "kid": "a"}]}'`),
    rule(`jwks: '{"keys": []}'`),
    foo('audiences: [a, b], fromHeaders: [{name: x-foo, prefix: "Bearer "}]'),
    foo('fromHeaders: [{name: x_foo}], fromParams: [t], fromCookies: [c]'),
    foo('presence: OPTIONAL'),
    foo('presence: REQUIRED'),
    foo('timeout: 5s, spaceDelimitedClaims: [scope], forwardOriginalToken: true'),
    copied('header: x-jwt-claim, claim: sub'),
    copied('header: X-1, claim: nested.key.group'),
  ],
  warned: [[rule('issuer: foo.com'), 'jwtRules/0/issuer']],
  refused: [
    ['{}', '/metadata/annotations/istio.io~1dry-run', "{name: a, annotations: {istio.io/dry-run: 'true'}}"],
    ['{jwtRules: [null]}', 'jwtRules/0'],
    [rule(''), 'jwtRules/0'],
    [rule("issuer: ''"), 'jwtRules/0'],
    [rule('audiences: [a]'), 'jwtRules/0'],
    [foo("audiences: ['']"), 'jwtRules/0/audiences/0'],
    [rule('issuer: foo.com, jwksUri: foo.com'), 'jwtRules/0/jwksUri'],
    [rule('issuer: foo.com, jwksUri: ftp://foo.com'), 'jwtRules/0/jwksUri'],
    [rule('issuer: foo.com, jwksUri: https://foo.com:not-a-number'), 'jwtRules/0/jwksUri'],
    [rule("issuer: foo.com, jwksUri: 'hTPp\\\\blah'"), 'jwtRules/0/jwksUri'],
    [rule('issuer: foo.com, jwks: foo'), 'jwtRules/0/jwks'],
    [rule("issuer: foo.com, jwks: '[]'"), 'jwtRules/0/jwks'],
    [foo(`jwks: '{"keys": []}'`), 'jwtRules/0/jwks'],
    [foo('fromHeaders: [{prefix: "Bearer "}]'), 'jwtRules/0/fromHeaders/0'],
    [foo("fromHeaders: [{name: ''}]"), 'jwtRules/0/fromHeaders/0/name'],
    [foo("fromParams: ['']"), 'jwtRules/0/fromParams/0'],
    [foo("fromCookies: ['', foo]"), 'jwtRules/0/fromCookies/0'],
    [foo("spaceDelimitedClaims: ['']"), 'jwtRules/0/spaceDelimitedClaims/0'],
    [foo('outputClaimToHeaders: [null]'), 'jwtRules/0/outputClaimToHeaders/0'],
    [copied('header: x-a'), 'jwtRules/0/outputClaimToHeaders/0'],
    [copied('claim: sub'), 'jwtRules/0/outputClaimToHeaders/0'],
    [copied("header: x-a, claim: ''"), 'jwtRules/0/outputClaimToHeaders/0/claim'],
    [copied("header: '', claim: sub"), 'jwtRules/0/outputClaimToHeaders/0/header'],
    [copied("header: ':authority', claim: sub"), 'jwtRules/0/outputClaimToHeaders/0/header'],
    [copied('header: abc%123, claim: sub'), 'jwtRules/0/outputClaimToHeaders/0/header'],
    [copied('header: x_a, claim: sub'), 'jwtRules/0/outputClaimToHeaders/0/header'],
    [foo('presence: MANDATORY'), 'jwtRules/0/presence'],
    [foo('timeout: apple'), 'jwtRules/0/timeout'],
    [foo('timeout: 0s'), 'jwtRules/0/timeout'],
    [foo('timeout: 1.0001s'), 'jwtRules/0/timeout'],
  ],
  stricter: [
    [rule(`issuer: foo.com, jwks: '{"kty": "oct", "k": "YQ"}'`), 'jwtRules/0/jwks'],
    [foo("fromHeaders: [{name: 'x foo'}]"), 'jwtRules/0/fromHeaders/0/name'],
  ],
};

const SELECTOR = 'selector: {matchLabels: {app: httpbin}}';

export const PEER_AUTHENTICATION: Cases = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  taken: [
    '{}',
    '{mtls: {}}',
    '{mtls: {mode: UNSET}}',
    '{mtls: {mode: STRICT}}',
    `{${SELECTOR}}`,
    `{${SELECTOR}, portLevelMtls: {8080: {mode: UNSET}, '65535': {mode: DISABLE}}}`,
  ],
  warned: [
    ['{selector: {}}', 'selector'],
    ['{selector: {matchLabels: {}}}', 'selector'],
  ],
  refused: [
    ['{mtls: {mode: BLAH}}', 'mtls/mode'],
    ['{portLevelMtls: {8080: {mode: UNSET}}}', 'portLevelMtls'],
    ['{selector: {}, portLevelMtls: {8080: {mode: UNSET}}}', 'portLevelMtls'],
    [`{${SELECTOR}, portLevelMtls: {}}`, 'portLevelMtls'],
    [`{${SELECTOR}, portLevelMtls: {0: {mode: STRICT}}}`, 'portLevelMtls/0'],
    [`{${SELECTOR}, portLevelMtls: {42949672: {mode: STRICT}}}`, 'portLevelMtls/42949672'],
    [`{${SELECTOR}, portLevelMtls: {acd: {mode: STRICT}}}`, 'portLevelMtls/acd'],
    ["{selector: {matchLabels: {'': a}}}", 'selector/matchLabels/'],
    ["{selector: {matchLabels: {app: '*'}}}", 'selector/matchLabels/app'],
  ],
};
