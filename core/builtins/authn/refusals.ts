// Why a token is refused, in Envoy's words, which are the body of the answer and part of its details. Texts that Envoy does
// not have are for what it does not check.

export const REFUSALS = {
  format: 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
  tooLarge: 'Jwt is too large',
  headerBase64: 'Jwt header is an invalid Base64url encoded',
  headerJson: 'Jwt header is an invalid JSON',
  algMissing: 'Jwt header [alg] field is required and must be a string',
  algUnknown: 'Jwt header [alg] is not supported',
  kid: 'Jwt header [kid] field is not a string',
  crit: 'Jwt header [crit] is not supported',
  payloadBase64: 'Jwt payload is an invalid Base64url encoded',
  payloadJson: 'Jwt payload is an invalid JSON',
  iss: 'Jwt payload [iss] field is not a string',
  sub: 'Jwt payload [sub] field is not a string',
  aud: 'Jwt payload [aud] field is not a string or string list',
  exp: 'Jwt payload [exp] field is not an integer',
  expRange: 'Jwt payload [exp] field is not a positive 64 bit integer',
  nbf: 'Jwt payload [nbf] field is not an integer',
  nbfRange: 'Jwt payload [nbf] field is not a positive 64 bit integer',
  iat: 'Jwt payload [iat] field is not an integer',
  iatRange: 'Jwt payload [iat] field is not a positive 64 bit integer',
  jti: 'Jwt payload [jti] field is not a string',
  signatureBase64: 'Jwt signature is an invalid Base64url encoded',
  issuer: 'Jwt issuer is not configured',
  expired: 'Jwt is expired',
  notYet: 'Jwt not yet valid',
  audience: 'Audiences in Jwt are not allowed',
  fetch: 'Jwks remote fetch is failed',
  noKeys: "Jwks doesn't have any valid public key",
  noMatch: "Jwks doesn't have key to match kid or alg from Jwt",
  signature: 'Jwt verification fails',
} as const;

export type Refusal = (typeof REFUSALS)[keyof typeof REFUSALS];
