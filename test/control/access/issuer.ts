// An OpenID Connect issuer on loopback: its discovery document, its keys, and tokens that it signs.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';

type Answer = { readonly status?: number; readonly location?: string; readonly body?: unknown } | 'nothing';

interface Key {
  readonly kid: string;
  readonly alg: string;
  readonly private: CryptoKey;
  readonly public: object;
}

export interface Issuer {
  readonly url: string;
  /** Of its keys: the first one signs. */
  keys: Key[];
  /** How often it was asked for its keys. */
  asked: number;
  /** In place of what it answers at a path. */
  readonly instead: Map<string, Answer>;
  newKey(kid: string, alg?: string): Promise<Key>;
  /** For an hour of `now`, unless the claims say otherwise. */
  token(claims: JWTPayload, by?: Key): Promise<string>;
  close(): Promise<void>;
}

export const DISCOVERY = '/.well-known/openid-configuration';

export async function startIssuer(now: () => number = Date.now): Promise<Issuer> {
  const instead = new Map<string, Answer>();
  const server = createServer((request, response) => {
    const path = request.url!;
    if (path === '/keys') issuer.asked++;
    const usual = new Map<string, Answer>([
      [DISCOVERY, { body: { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` } }],
      ['/keys', { body: { keys: issuer.keys.map((key) => key.public) } }],
    ]);
    const answer = instead.get(path) ?? usual.get(path) ?? { status: 404 };
    if (answer === 'nothing') return;
    const { status = 200, location, body = '' } = answer;
    response.writeHead(status, location === undefined ? {} : { location });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const newKey = async (kid: string, alg = 'ES256'): Promise<Key> => {
    const pair = await generateKeyPair(alg, { extractable: true });
    return { kid, alg, private: pair.privateKey, public: { ...(await exportJWK(pair.publicKey)), kid, alg } };
  };
  const issuer: Issuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keys: [await newKey('first')],
    asked: 0,
    instead,
    newKey,
    token(claims, by = issuer.keys[0]) {
      const seconds = Math.floor(now() / 1_000);
      const usual = { iss: issuer.url, aud: 'mesh', sub: 'alice', iat: seconds, exp: seconds + 3_600 };
      return new SignJWT({ ...usual, ...claims }).setProtectedHeader({ alg: by.alg, kid: by.kid }).sign(by.private);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return issuer;
}
