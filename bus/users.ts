// Users of proxies, from the control plane's side: makes them, renews those that ask in time, and revokes them by name. What was
// issued and revoked lies in a stream, so that any control plane can do the next step.
import type { Msg } from 'nats';
import { accountUser, type BusKeys, proxiesAccount, proxyUser, publicKey, type Revocations } from './accounts.ts';
import { store } from './jetstream.ts';
import { type Link, openLink } from './link.ts';
import { fixedLogin } from './login.ts';
import {
  everybody,
  type Identity,
  INFO_PREFIX,
  identityOf,
  inboxPrefix,
  RENEW_PREFIX,
  REVOKED_PREFIX,
  subjectOf,
  subjectToken,
  USER_PREFIX,
  USER_STREAM,
} from './subjects.ts';
import { BusUnavailableError, type Users } from './types.ts';

/** As long as a workload's certificate lives. */
export const USER_LIFE_MS = 24 * 3_600_000;
const PUBLIC_KEY = /^U[A-Z2-7]{55}$/;

export interface UsersOptions {
  readonly link: Link;
  readonly keys: BusKeys;
  readonly servers: readonly string[];
  readonly lifeMs: number;
  onProblem(message: string): void;
}

export class NatsUsers implements Users {
  readonly #options: UsersOptions;
  readonly #link: Link;

  constructor(options: UsersOptions) {
    this.#options = options;
    this.#link = options.link;
  }

  /** Throws RangeError for what is no name or no public key of a user, BusUnavailableError. */
  async issue(identity: Identity, key: string): Promise<string> {
    if (!PUBLIC_KEY.test(key)) throw new RangeError('that is no public key of a NATS user (U...)');
    const expires = Math.floor((Date.now() + this.#options.lifeMs) / 1_000);
    await store(this.#link, `${subjectOf(USER_PREFIX, identity)}.${key}`, JSON.stringify({ expires }));
    return proxyUser(this.#options.keys, key, identity, expires);
  }

  /** Its users are let in no more, and those that are in are put out. Returns how many there were. */
  async revoke(node: string): Promise<number> {
    const known = await this.#link.stream(USER_STREAM, `${USER_PREFIX}.*.*.${subjectToken(node)}.*`);
    const now = Math.floor(Date.now() / 1_000);
    let revoked = 0;
    for (const subject of known?.subjects ?? []) {
      const key = subject.slice(subject.lastIndexOf('.') + 1);
      if (await this.#isRevoked(key)) continue;
      await store(this.#link, `${REVOKED_PREFIX}.${key}`, JSON.stringify({ at: now }));
      revoked++;
    }
    if (revoked > 0) await this.tellServers();
    return revoked;
  }

  /** Answers proxies that ask for their next JWT, one of all control planes each. */
  serve(): void {
    this.#link.nc.subscribe(everybody(RENEW_PREFIX), {
      queue: 'weft-control',
      callback: (_, message) => {
        this.#renew(message).catch((error: unknown) => {
          if (!(error instanceof BusUnavailableError)) throw error;
          this.#options.onProblem(`a user was not renewed: ${error.message}`);
        });
      },
    });
  }

  /** What nats-server was started with knows of no revocation since. */
  async tellServers(): Promise<void> {
    const revocations = await this.#revocations();
    if (Object.keys(revocations).length === 0) return;
    const { keys, servers } = this.#options;
    const login = fixedLogin(await accountUser(keys, 'system'));
    const name = 'weft revocations';
    const system = await openLink({
      servers,
      login,
      name,
      inboxPrefix: inboxPrefix(),
      infoPrefix: INFO_PREFIX,
      waitMs: 5_000,
    });
    try {
      const account = publicKey(keys.proxies);
      await system.request(`$SYS.REQ.ACCOUNT.${account}.CLAIMS.UPDATE`, await proxiesAccount(keys, revocations));
    } finally {
      await system.close();
    }
  }

  async #renew(message: Msg): Promise<void> {
    const identity = identityOf(RENEW_PREFIX, message.subject);
    const key = message.data.byteLength > 100 ? '' : message.string();
    const known =
      identity !== null &&
      PUBLIC_KEY.test(key) &&
      (await this.#link.get(USER_STREAM, { last_by_subj: `${subjectOf(USER_PREFIX, identity)}.${key}` })) !== null &&
      !(await this.#isRevoked(key));
    message.respond(JSON.stringify(known ? { jwt: await this.issue(identity, key) } : { error: 'not known' }));
  }

  async #isRevoked(key: string): Promise<boolean> {
    return (await this.#link.get(USER_STREAM, { last_by_subj: `${REVOKED_PREFIX}.${key}` })) !== null;
  }

  async #revocations(): Promise<Revocations> {
    const state = await this.#link.stream(USER_STREAM, `${REVOKED_PREFIX}.*`);
    const revocations: Record<string, number> = {};
    for (const subject of state?.subjects ?? []) {
      const message = await this.#link.get(USER_STREAM, { last_by_subj: subject });
      if (message === null) continue;
      const key = subject.slice(REVOKED_PREFIX.length + 1);
      revocations[key] = Math.floor(message.time / 1_000) + 1;
    }
    return revocations;
  }
}
