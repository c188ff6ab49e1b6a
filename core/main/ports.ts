// Proves that an address is free before shards share it. SO_REUSEPORT lets a stranger who sets it too bind the same port
// without a word, so the main thread binds once without it, learns the port where any will do, and releases. Until the shards
// listen, other proxies know by a claim that it is taken.

import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostPort } from '../host-port.ts';
import { claim, release } from './claims.ts';
import type { Address } from './options.ts';

/** Any port is one from here on. */
const FIRST_PORT = 20_000;
/** Of Linux; others begin later. */
const USUAL_FIRST_OUTGOING = 32_768;
const ATTEMPTS = 20;

/** A listener cannot be had; the message says which address, who wanted it and why not. */
export class PortUnavailable extends Error {}

/** Binds alone, releases, and returns the port. `wantedBy`: 'listener inbound', 'Gateway default/bookinfo'. */
export async function reservePort({ address, port }: Address, wantedBy: string): Promise<number> {
  try {
    return port === 0 ? await reserveAny(address) : await reserveOne(address, port);
  } catch (error) {
    throw new PortUnavailable(`${wantedBy}: ${reason(error as NodeJS.ErrnoException, address, port)}`);
  }
}

async function reserveOne(address: string, port: number): Promise<number> {
  const bound = await bindOnce(address, port, false);
  if (!(await claim(claimOf(address, bound)))) throw Object.assign(new Error('claimed'), { code: 'EADDRINUSE' });
  return bound;
}

/** Not one that the system gives to outgoing connections, one of which could take it before the shards listen. */
async function reserveAny(address: string): Promise<number> {
  const end = await firstOutgoing();
  for (let attempt = 0; attempt < ATTEMPTS && end > FIRST_PORT; attempt++) {
    try {
      return await reserveOne(address, randomInt(FIRST_PORT, end));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
  return reserveOne(address, 0);
}

async function firstOutgoing(): Promise<number> {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '');
  return Number.parseInt(range, 10) || USUAL_FIRST_OUTGOING;
}

/** It is nobody's any more. */
export function releasePort({ address, port }: Address): void {
  release(claimOf(address, port));
}

function claimOf(address: string, port: number): string {
  return `port ${hostPort(address, port)}`;
}

/** Whether several threads may listen on one port here: Linux yes, macOS no. */
export async function canSharePorts(): Promise<boolean> {
  try {
    await bindOnce('127.0.0.1', 0, true);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTSUP' || code === 'EINVAL' || code === 'ENOPROTOOPT') return false;
    throw error;
  }
}

/** What went wrong when listening, as one clause. */
export function reason(error: NodeJS.ErrnoException, address: string, port: number): string {
  const place = hostPort(address, port);
  switch (error.code) {
    case 'EADDRINUSE':
      return `${place} is in use by another program`;
    case 'EACCES':
      return `${place} needs privileges that this process has not; bind another port in its place`;
    case 'EADDRNOTAVAIL':
      return `${place} is no address of this machine`;
    default:
      return `cannot listen on ${place}: ${error.message}`;
  }
}

function bindOnce(host: string, port: number, reusePort: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port, reusePort, exclusive: true }, () => {
      const bound = server.address();
      server.close(() => resolve(bound !== null && typeof bound === 'object' ? bound.port : port));
    });
  });
}
