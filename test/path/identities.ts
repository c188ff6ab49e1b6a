// Certificates as workloads get them, of authorities made for a test, without a bus.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Certificates, Revoked } from '../../bus/certificate-types.ts';
import { startAuthority } from '../../control/authority/authority.ts';
import { type AuthorityFiles, openIssuer } from '../../control/authority/files.ts';
import { issueWorkload } from '../../control/authority/issuing.ts';
import { serialOf } from '../../core/config/serial.ts';
import { certificateRequest, newKey } from '../../core/main/certificate-request.ts';
import type { WorkloadIdentity } from '../../core/workload.ts';

export interface TestAuthority {
  /** In the namespace default and the mesh's trust domain without others. `lifeMs` as of `now`: it may have expired, or not yet begun. */
  identity(
    serviceAccount: string,
    validity?: {
      now?: number;
      lifeMs?: number;
      namespace?: string;
      trustDomain?: string;
      node?: string;
      revoked?: Revoked;
    },
  ): Promise<WorkloadIdentity>;
  close(): Promise<void>;
}

/** `own`: it signs with files of a user in place of what it would make itself, which is of `began`, ms of the epoch. */
export async function testAuthority(own?: AuthorityFiles['own'], began = Date.now()): Promise<TestAuthority> {
  const dir = await mkdtemp(join(tmpdir(), 'weft-identities-'));
  const sign = async (
    csr: string,
    serviceAccount: string,
    now: number,
    lifeMs: number,
    namespace = 'default',
    node = 'test',
    revoked: Revoked = {},
  ) => {
    const { promise, resolve } = Promise.withResolvers<Parameters<Certificates['answer']>[0]>();
    const bus: Certificates = {
      request: () => Promise.reject(new Error('nobody asks')),
      answer: resolve,
      trusted: async (own) => ({ ...own, revoked, version: 1 }),
      retrust: () => Promise.reject(new Error('nothing is rotated')),
      onTrust: () => {},
    };
    await startAuthority({ bus, dir: join(dir, 'authority'), ...(own && { own }), now: () => now, lifeMs });
    return (await promise)({ namespace, serviceAccount, node }, csr);
  };
  await sign(certificateRequest(newKey()), 'first', began, 60_000);
  return {
    async identity(
      serviceAccount,
      { now = Date.now(), lifeMs = 3_600_000, namespace, trustDomain, node = 'test', revoked } = {},
    ) {
      const key = newKey();
      const signed = await sign(certificateRequest(key), serviceAccount, now, lifeMs, namespace, node, revoked);
      if (trustDomain === undefined) return { key, ...signed };
      const issuer = await openIssuer({ dir: join(dir, 'authority'), ...(own && { own }) }, now);
      const spiffe = `spiffe://${trustDomain}/ns/${namespace ?? 'default'}/sa/${serviceAccount}`;
      const serial = serialOf(node, 0);
      const leaf = await issueWorkload({ issuer, csr: certificateRequest(key), spiffe, serial, lifeMs, now });
      return { key, chain: [leaf, ...issuer.chain].join('\n'), roots: signed.roots, revoked: signed.revoked };
    },
    close: () => rm(dir, { recursive: true, force: true }),
  };
}
