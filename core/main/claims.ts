// What of this machine a process has taken for itself before it uses it: an address, a port that its threads will share. A name in
// Linux's abstract socket namespace, which nobody else can have and which is gone with the process.

import { createServer, type Server } from 'node:net';

const held = new Map<string, Server>();

/** False: another process has it. What this process has already is its own; where there are no such names, everything is. */
export function claim(name: string): Promise<boolean> {
  if (process.platform !== 'linux' || held.has(name)) return Promise.resolve(true);
  return new Promise((resolve, reject) => {
    const owner = createServer((socket) => socket.destroy()).unref();
    owner.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    owner.listen({ path: `\0weft ${name}`, exclusive: true }, () => {
      held.set(name, owner);
      resolve(true);
    });
  });
}

/** By this process. */
export function isClaimed(name: string): boolean {
  return held.has(name);
}

export function release(name: string): void {
  held.get(name)?.close();
  held.delete(name);
}
