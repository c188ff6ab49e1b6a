// A workload's own loopback address: 127.x.y.z by the hash of who it is, taken when nobody else has it. Other sidecars know
// the workload by it.
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { claim, isClaimed } from '../core/main/claims.ts';

const TRIES = 32;

/**
 * Free on all of `ports`, and this process's until it ends. '' where the system has no loopback address but 127.0.0.1, as on
 * macOS. The same identity gets the same address again unless another instance of it has it.
 */
export async function ownAddress(identity: string, ports: readonly number[]): Promise<string> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const address = candidate(identity, attempt);
    // Between finding ports free and listening on them a second instance would find them free, too.
    const name = `address ${address}`;
    if (isClaimed(name) || !(await claim(name))) continue;
    const found = await Promise.all(ports.map((port) => probe(address, port)));
    if (found.includes('absent')) return '';
    if (found.every((result) => result === 'free')) return address;
  }
  throw new Error(`no free loopback address for ${identity} after ${TRIES} tries`);
}

/** 127.16.0.1 to 127.255.255.254: away from the addresses that people and resolvers choose by hand. */
function candidate(identity: string, attempt: number): string {
  const digest = createHash('sha256').update(`${identity}#${attempt}`).digest();
  return `127.${16 + (digest[0] % 240)}.${digest[1]}.${1 + (digest[2] % 254)}`;
}

/** 0 finds out whether the address is there at all. */
export function probe(address: string, port: number): Promise<'free' | 'taken' | 'absent'> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve('taken');
      else if (error.code === 'EADDRNOTAVAIL') resolve('absent');
      else reject(error);
    });
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve('free')));
  });
}
