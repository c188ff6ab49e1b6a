// By what the control plane's own servers are known where they listen off loopback: a certificate for that address, of the mesh's
// authority, made anew at each start. A workload's names no address, so none of them passes for it.
import { generateKeyPairSync } from 'node:crypto';
import type { ServerTls } from '../../bus/server/server.ts';
import { type AuthorityFiles, openIssuer } from './files.ts';
import { issueServer } from './issuing.ts';

/** Makes the authority first where there is none. Throws an Error in one sentence for files that are none. */
export async function serverTls(files: AuthorityFiles, address: string, now = Date.now()): Promise<ServerTls> {
  const issuer = await openIssuer(files, now);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const certificate = await issueServer({ issuer, key: publicKey, address, now });
  return {
    address,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    // With the root, by whose fingerprint who joins knows it.
    chain: [certificate, ...issuer.chain, issuer.root].map((pem) => `${pem.trim()}\n`).join(''),
    roots: `${issuer.root.trim()}\n`,
  };
}
