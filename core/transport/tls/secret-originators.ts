// What connections to services outside of the mesh are made in TLS with where a rule names secrets: contexts of the newest ones that
// this shard was told of.

import type { SecureContext } from 'node:tls';
import type { Credential } from '../../credential.ts';
import { clientContext } from './credentials.ts';
import { limited, type TlsLimits } from './limits.ts';
import type { Origination } from './origination.ts';

/** Contexts that are kept; the one that was used longest ago goes first. */
const MAX_CONTEXTS = 256;

interface Made {
  readonly context: SecureContext;
  readonly pairSecret: string;
  readonly trustSecret: string;
}

export class SecretOriginators {
  private readonly credentials = new Map<string, Credential>();
  private readonly made = new Map<string, Made>();

  get size(): number {
    return this.made.size;
  }

  /** From the next connection on. Null: it is no more. */
  learn(name: string, credential: Credential | null): void {
    if (credential === null) this.credentials.delete(name);
    else this.credentials.set(name, credential);
    for (const [key, { pairSecret, trustSecret }] of this.made) {
      if (pairSecret === name || trustSecret === name) this.made.delete(key);
    }
  }

  /** Throws an Error in one clause that names the secret. */
  contextFor({ pairSecret, trustSecret, limits, withheld }: Origination): SecureContext {
    if (withheld !== '') throw new Error(withheld);
    const key = JSON.stringify([pairSecret, trustSecret, limits]);
    const found = this.made.get(key);
    const context = found?.context ?? this.make(pairSecret, trustSecret, limits);
    this.made.delete(key);
    this.made.set(key, found ?? { context, pairSecret, trustSecret });
    if (this.made.size > MAX_CONTEXTS) this.made.delete(this.made.keys().next().value!);
    return context;
  }

  private make(pairSecret: string, trustSecret: string, limits: TlsLimits): SecureContext {
    const pair = this.part(pairSecret, 'key');
    const trust = this.part(trustSecret, 'ca');
    try {
      return clientContext({
        ...limited(limits),
        ...(pair !== null && { cert: pair.cert, key: pair.key }),
        ...(trust !== null && { ca: trust.ca, ...(trust.crl !== '' && { crl: trust.crl }) }),
      });
    } catch (error) {
      const names = [pairSecret, trustSecret].filter((name) => name !== '').join(' and ');
      throw new Error(`${names} cannot be used: ${(error as Error).message}`, { cause: error });
    }
  }

  private part(name: string, needed: 'key' | 'ca'): Credential | null {
    if (name === '') return null;
    const found = this.credentials.get(name);
    if (found === undefined || found[needed] === '') {
      const what = needed === 'key' ? 'the certificate to show' : 'whose certificates are believed';
      throw new Error(`the secret ${name}, ${what}, is not there`);
    }
    return found;
  }
}
