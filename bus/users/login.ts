// With which user a connection is made, and how a proxy's user gets its next JWT before the one it has expires.

import type { Link, Login } from '../link.ts';
import { proxyPermissions, RENEW_PREFIX, subjectOf } from '../subjects.ts';
import { BusUnavailableError, type ProxyUser } from '../types.ts';
import type { Credentials } from './accounts.ts';
import { NKey } from './nkey.ts';

export function fixedLogin({ jwt, seed }: Credentials): Login {
  return { seed, jwt: () => jwt, refused: async () => {} };
}

/** A renewal that failed is tried again after so long, an enrolment after the shorter one. */
const RENEW_AGAIN_MS = 60_000;
const ENROL_AGAIN_MS = 2_000;
const MAX_TIMER_MS = 2_147_483_647;

export class ProxyLogin implements Login {
  readonly seed: string;
  readonly #user: ProxyUser;
  readonly #publicKey: string;
  #jwt: string;
  /** When it is renewed, by a clock that nobody sets. */
  #renewAt = 0;
  #enrolling: Promise<void> | null = null;
  #enrolledAt = Number.NEGATIVE_INFINITY;

  constructor(user: ProxyUser) {
    this.#user = user;
    this.seed = user.seed;
    this.#jwt = mayAll(user) ? user.jwt : '';
    this.#publicKey = new NKey(user.seed).publicKey;
    const { begins, ends } = lifeOf(this.#jwt);
    // At most as much as it was made for, whatever the clock says.
    this.#planRenewal(Math.min(ends - Date.now(), ends - begins));
  }

  jwt(): string {
    return this.#jwt;
  }

  /** Whether it may be let in: it has a JWT that has not expired, by this machine's clock. */
  get valid(): boolean {
    return lifeOf(this.#jwt).ends > Date.now();
  }

  /** One attempt at a time, and not one after the other. Rejects when who issues users cannot be reached or says no. */
  enrol(): Promise<void> {
    this.#enrolling ??= this.#user
      .enrol(this.#publicKey)
      .then((jwt) => this.#take(jwt))
      .finally(() => {
        this.#enrolling = null;
        this.#enrolledAt = performance.now();
      });
    return this.#enrolling;
  }

  async refused(): Promise<void> {
    if (performance.now() - this.#enrolledAt < ENROL_AGAIN_MS) return;
    // It is refused again then, and that is told.
    await this.enrol().catch(() => {});
  }

  /** Renews at about half of its life, over the bus itself. Returns what ends that. */
  keepRenewing(link: Link): () => void {
    let timer: NodeJS.Timeout | null = null;
    const plan = (ms: number) => {
      timer = setTimeout(() => void renew(), Math.min(Math.max(ms, 1_000), MAX_TIMER_MS));
      timer.unref();
    };
    const renew = async (): Promise<void> => {
      try {
        const answer = await link.request(subjectOf(RENEW_PREFIX, this.#user.identity), this.#publicKey);
        const { jwt } = answer.json<{ jwt?: string }>();
        if (typeof jwt !== 'string') throw new BusUnavailableError('the control plane renews no user of that key');
        this.#take(jwt);
        // What the server knows of this connection ends with the old one.
        await link.nc.reconnect();
        plan(this.#renewAt - performance.now());
      } catch {
        // Away for now, or revoked: once it has expired it is asked for where the first one was.
        if (!link.closed) plan(RENEW_AGAIN_MS * (0.5 + Math.random()));
      }
    };
    plan(this.#renewAt - performance.now());
    return () => {
      if (timer !== null) clearTimeout(timer);
    };
  }

  #take(jwt: string): void {
    this.#jwt = jwt;
    const { begins, ends } = lifeOf(jwt);
    this.#planRenewal(ends - begins);
    this.#user.keep(jwt);
  }

  /** At half of what is left, some sooner and some later. */
  #planRenewal(leftMs: number): void {
    this.#renewAt = performance.now() + (leftMs / 2) * (0.8 + Math.random() / 5);
  }
}

/** Ms of the epoch, by the clock of who issued it: 0 for what is no JWT, one that never expires ends at infinity. */
export function lifeOf(jwt: string): { begins: number; ends: number } {
  const claims = claimsOf(jwt);
  if (claims === null) return { begins: 0, ends: 0 };
  const { iat = 0, exp = Number.POSITIVE_INFINITY } = claims;
  return { begins: iat * 1_000, ends: exp * 1_000 };
}

/** Whether its JWT lets a proxy of this version say and hear what it has to: one that an earlier version kept may not. */
function mayAll({ jwt, identity }: ProxyUser): boolean {
  const { pub, sub } = claimsOf(jwt)?.nats ?? {};
  const { publish, subscribe } = proxyPermissions(identity);
  const holds = (allowed: { allow?: readonly string[] } | undefined, wanted: readonly string[]) =>
    wanted.every((subject) => allowed?.allow?.includes(subject));
  return holds(pub, publish) && holds(sub, subscribe);
}

interface Claims {
  readonly iat?: number;
  readonly exp?: number;
  readonly nats?: { readonly pub?: { allow?: readonly string[] }; readonly sub?: { allow?: readonly string[] } };
}

/** null for what is no JWT. */
function claimsOf(jwt: string): Claims | null {
  try {
    return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as Claims;
  } catch {
    return null;
  }
}
