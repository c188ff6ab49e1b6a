// What leases say, as far as their writers may say it: who was enrolled by a token for some services serves no other, whatever it says
// later. What follows leases follows them through here.
import type { Lease, LeaseBoard, Subscription, UserServices, Users } from '../../bus/types.ts';
import { fqdn } from '../../core/config/hosts.ts';

export interface AllowedOptions {
  readonly leases: Pick<LeaseBoard, 'follow'>;
  /** null: this control plane does not keep the users of its NATS, and nobody is bound. */
  readonly users: Pick<Users, 'services'> | null;
  onLog(line: string): void;
}

interface Known {
  readonly allowed: string;
  readonly lease: Lease;
}

export class AllowedLeases implements Pick<LeaseBoard, 'follow'> {
  readonly #options: AllowedOptions;
  /** What was made of a lease, which is the same object for as long as it is the same lease. */
  readonly #known = new WeakMap<Lease, Known>();
  /** Proxies of which something was left out. */
  #told = new Set<string>();

  constructor(options: AllowedOptions) {
    this.#options = options;
  }

  async follow(onChange: (leases: ReadonlyMap<string, Lease>) => void): Promise<Subscription> {
    const { leases, users } = this.#options;
    if (users === null) return leases.follow(onChange);
    let current: ReadonlyMap<string, Lease> | null = null;
    const tell = () => {
      if (current !== null) onChange(this.#allowed(current, services));
    };
    // Before anybody is heard.
    const services = await users.services(tell);
    return leases.follow((heard) => {
      current = heard;
      tell();
    });
  }

  #allowed(leases: ReadonlyMap<string, Lease>, services: UserServices): ReadonlyMap<string, Lease> {
    const told = new Set<string>();
    const all = new Map<string, Lease>();
    for (const [id, lease] of leases) {
      const allowed = lease.from === undefined ? null : services.of(lease.from);
      // Its user may be heard after its lease, and until then it serves nothing.
      if (allowed === undefined) continue;
      const kept = allowed === null ? lease : this.#within(lease, allowed);
      all.set(id, kept);
      if (allowed === null || kept.endpoints.length === lease.endpoints.length) continue;
      told.add(id);
      if (this.#told.has(id)) continue;
      this.#options.onLog(
        `${id} says that it serves more than ${allowed.join(', ') || 'nothing'}, which its token is for: that is left out`,
      );
    }
    this.#told = told;
    return all;
  }

  #within(lease: Lease, allowed: readonly string[]): Lease {
    const text = allowed.join(' ');
    const known = this.#known.get(lease);
    if (known?.allowed === text) return known.lease;
    const made = within(lease, allowed);
    this.#known.set(lease, { allowed: text, lease: made });
    return made;
  }
}

/** Labels are its own word, too: by those it belongs to no other service either. */
function within(lease: Lease, allowed: readonly string[]): Lease {
  const { namespace } = lease.from!;
  const hosts = new Set(allowed.map((service) => fqdn(service, namespace)));
  const may = (service: unknown): boolean => typeof service === 'string' && hosts.has(fqdn(service, namespace));
  const endpoints = lease.endpoints.flatMap((endpoint) => {
    const { services } = (endpoint ?? {}) as { readonly services?: unknown };
    if (!Array.isArray(services) || !services.every(may)) return [];
    return [{ ...(endpoint as object), only: allowed }];
  });
  const { services } = (lease.node ?? {}) as { readonly services?: unknown };
  const node = Array.isArray(services) ? { ...(lease.node as object), services: services.filter(may) } : lease.node;
  return { ...lease, node, endpoints };
}
