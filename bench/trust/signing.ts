// How many certificates of workloads the authority signs in a second, on the one thread of a control plane.
import { join } from 'node:path';
import { certificateRequest, newKey } from '../../core/main/certificate-request.ts';
import { startSigner } from '../certificates.ts';

export interface SigningFigures {
  readonly certificatesPerSecond: number;
  /** Of processor time, all threads. */
  readonly cpuMicrosPerCertificate: number;
}

const WARM = 200;

export async function measureSigning(folder: string, seconds: number): Promise<SigningFigures> {
  const sign = await startSigner(join(folder, 'signing'));
  const request = certificateRequest(newKey());
  const who = { namespace: 'default', serviceAccount: 'bench', node: 'bench' };
  for (let i = 0; i < WARM; i++) await sign(who, request);
  const cpu = process.cpuUsage();
  const began = performance.now();
  let signed = 0;
  for (; performance.now() - began < seconds * 1_000; signed++) await sign(who, request);
  const tookSeconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { certificatesPerSecond: signed / tookSeconds, cpuMicrosPerCertificate: (user + system) / signed };
}
