// An issuer of tokens that lives as long as a run: the key set that the peers get, and one token that they accept.

import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export interface Credentials {
  readonly issuer: string;
  readonly subject: string;
  /** A JSON web key set. */
  readonly jwks: string;
  /** Signed with RS256, the commonest. */
  readonly token: string;
}

export async function createCredentials(): Promise<Credentials> {
  const issuer = 'https://issuer.bench';
  const subject = 'load';
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const key = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'RS256', use: 'sig' };
  const token = await new SignJWT({})
    .setProtectedHeader({ alg: 'RS256', kid: 'bench' })
    .setIssuer(issuer)
    .setSubject(subject)
    .setIssuedAt()
    .setExpirationTime('1d')
    .sign(privateKey);
  return { issuer, subject, jwks: JSON.stringify({ keys: [key] }), token };
}
