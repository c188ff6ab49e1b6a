// Certificates for proxies of a kind that speak mutual TLS with each other, of an authority that lives as long as a run: as the mesh's own
// are, so that no handshake and no key is cheaper than another's.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificates } from '../bus/certificate-types.ts';
import { startAuthority } from '../control/authority/authority.ts';
import { certificateRequest, newKey } from '../core/main/certificate-request.ts';

/** Files of PEM. */
export interface CertificateFiles {
  readonly key: string;
  readonly chain: string;
  readonly roots: string;
}

const LIFE_MS = 24 * 3_600_000;

/** An authority of its own with its files in `dir`, as whoever signs by it calls it. */
export async function startSigner(dir: string): Promise<Parameters<Certificates['answer']>[0]> {
  const { promise, resolve } = Promise.withResolvers<Parameters<Certificates['answer']>[0]>();
  const bus: Certificates = {
    request: () => Promise.reject(new Error('nobody asks')),
    answer: resolve,
    trusted: async (own) => ({ ...own, version: 1 }),
    retrust: () => Promise.reject(new Error('nothing is rotated')),
    onTrust: () => undefined,
  };
  mkdirSync(dir, { recursive: true });
  await startAuthority({ bus, dir, lifeMs: LIFE_MS });
  return promise;
}

/** One that both proxies show; `folder` is where its files are. */
export async function writeCertificate(folder: string): Promise<CertificateFiles> {
  const dir = join(folder, 'authority');
  const sign = await startSigner(dir);
  const key = newKey();
  const who = { namespace: 'default', serviceAccount: 'bench', node: 'bench' };
  const { chain, roots } = await sign(who, certificateRequest(key));
  rmSync(dir, { recursive: true });
  const files = { key: join(folder, 'key.pem'), chain: join(folder, 'chain.pem'), roots: join(folder, 'roots.pem') };
  writeFileSync(files.key, key, { mode: 0o600 });
  writeFileSync(files.chain, chain);
  writeFileSync(files.roots, roots);
  return files;
}
