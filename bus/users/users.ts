// Users of proxies, from the control plane's side: makes them, renews those that ask in time, and revokes them by name. What was
// issued and revoked lies in a stream, so that any control plane can do the next step.
import { randomUUID } from 'node:crypto';
import type { Msg } from 'nats';
import { openLink } from '../dial.ts';
import { storeAgain } from '../jetstream.ts';
import { jsonObject } from '../json.ts';
import type { Link } from '../link.ts';
import {
  everybody,
  type Identity,
  INFO_PREFIX,
  identityOf,
  inboxPrefix,
  RENEW_PREFIX,
  REVOCATIONS_SUBJECT,
  REVOKED_PREFIX,
  subjectOf,
  subjectToken,
  USER_PREFIX,
  USER_STREAM,
} from '../subjects.ts';
import { BusUnavailableError, type Users } from '../types.ts';
import { accountUser, type BusKeys, proxiesAccount, proxyUser, publicKey, type Revocations } from './accounts.ts';
import { fixedLogin, lifeOf } from './login.ts';
import { NatsUserServices, servicesOf } from './user-services.ts';

/** As long as a workload's certificate lives. */
export const USER_LIFE_MS = 24 * 3_600_000;
/** nats-server's answer while nobody of the account has come since its start: then it changes nothing (tried on 2.9). */
const PASSED_OVER = /jwt update skipped/;
/** To servers of a cluster. */
const TELL_AGAIN_MS = 60_000;
const PUBLIC_KEY = /^U[A-Z2-7]{55}$/;

export interface UsersOptions {
  readonly link: Link;
  readonly keys: BusKeys;
  readonly servers: readonly string[];
  readonly ca?: string;
  readonly lifeMs: number;
  /** See OpenBusOptions. */
  readonly keepOut?: (revocations: Revocations) => Promise<Revocations>;
  onProblem(message: string): void;
}

export class NatsUsers implements Users {
  readonly #options: UsersOptions;
  readonly #link: Link;
  readonly #id = randomUUID();
  #again: NodeJS.Timeout | null = null;
  #telling: Promise<void> = Promise.resolve();

  constructor(options: UsersOptions) {
    this.#options = options;
    this.#link = options.link;
  }

  /** Throws RangeError for what is no name or no public key of a user, BusUnavailableError. */
  issue(identity: Identity, key: string, services: readonly string[] = []): Promise<string> {
    return this.#issue(identity, key, services.length === 0 ? undefined : services);
  }

  /** `services`: undefined for anything. */
  async #issue(identity: Identity, key: string, services: readonly string[] | undefined): Promise<string> {
    if (!PUBLIC_KEY.test(key)) throw new RangeError('that is no public key of a NATS user (U...)');
    const expires = Math.floor((Date.now() + this.#options.lifeMs) / 1_000);
    const jwt = proxyUser(this.#options.keys, key, identity, expires);
    const subject = `${subjectOf(USER_PREFIX, identity)}.${key}`;
    // Another control plane may have issued one by a clock that is ahead.
    const issued = Math.max(lifeOf(jwt).begins / 1_000, (await this.#issued(subject)) ?? 0);
    await storeAgain(this.#link, subject, JSON.stringify({ expires, issued, services }));
    return jwt;
  }

  /**
   * Its users are let in no more, and those that are in are put out. Returns how many there are, also when some were revoked
   * before: who was not told of it all may ask again.
   */
  async revoke(node: string): Promise<number> {
    const known = await this.#link.stream(USER_STREAM, `${USER_PREFIX}.*.*.${subjectToken(node)}.*`);
    const subjects = known?.subjects ?? [];
    for (const subject of subjects) {
      const key = subject.slice(subject.lastIndexOf('.') + 1);
      // By the clocks of who issued them, not by the one here: NATS compares it with what the JWTs say.
      const at = (await this.#issued(subject)) ?? Math.floor(Date.now() / 1_000);
      if (((await this.#revokedAt(key)) ?? 0) >= at) continue;
      await storeAgain(this.#link, `${REVOKED_PREFIX}.${key}`, JSON.stringify({ at }));
    }
    if (subjects.length > 0) {
      this.#link.nc.publish(REVOCATIONS_SUBJECT, this.#id);
      await this.tellServers();
    }
    return subjects.length;
  }

  services(onChange: () => void): Promise<NatsUserServices> {
    return NatsUserServices.follow(this.#link, onChange);
  }

  /** Answers proxies that ask for their next JWT, one of all control planes each, and hears what the others revoke. */
  serve(): void {
    // One that is started again begins with what its configuration says, and nobody is told that it was.
    this.#again = setInterval(() => this.#link.clustered && this.#tellSoon(), TELL_AGAIN_MS);
    this.#again.unref();
    if (this.#options.keepOut !== undefined) {
      this.#link.nc.subscribe(REVOCATIONS_SUBJECT, {
        callback: (_, message) => {
          if (message.string() !== this.#id) this.#tellSoon();
        },
      });
    }
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

  /** What nats-server was started with knows of no revocation since. One after the other: the last one knows of all. */
  tellServers(): Promise<void> {
    const telling = this.#telling.then(() => this.#tell());
    this.#telling = telling.catch(() => {});
    return telling;
  }

  /** Tells nothing more. Resolves when nothing is being told. */
  async close(): Promise<void> {
    if (this.#again !== null) clearInterval(this.#again);
    await this.#telling;
  }

  #tellSoon(): void {
    this.tellServers().catch((error: unknown) => {
      if (!(error instanceof BusUnavailableError)) throw error;
      this.#options.onProblem(`a revocation is not kept yet: ${error.message}`);
    });
  }

  async #tell(): Promise<void> {
    const stored = await this.#revocations();
    if (Object.keys(stored).length === 0) return;
    const { keys, keepOut } = this.#options;
    // First what stays: a server that dies in between starts with it.
    let unkept = '';
    const kept = await keepOut?.(stored).catch((error: Error) => {
      unkept = error.message;
    });
    const revocations = kept ?? stored;
    const account = publicKey(keys.proxies);
    const told = await proxiesAccount(keys, revocations);
    const system = await this.#connect('system');
    try {
      const tell = async () => (await system.request(`$SYS.REQ.ACCOUNT.${account}.CLAIMS.UPDATE`, told)).string();
      if (PASSED_OVER.test(await tell())) {
        await (await this.#connect('proxies')).close();
        await tell();
      }
    } finally {
      await system.close();
    }
    if (unkept !== '') throw new BusUnavailableError(`the configuration of NATS cannot be written: ${unkept}`);
  }

  async #connect(account: Parameters<typeof accountUser>[1]): Promise<Link> {
    const { keys, servers, ca } = this.#options;
    const login = fixedLogin(await accountUser(keys, account));
    const name = 'weft revocations';
    return openLink({ servers, ca, login, name, inboxPrefix: inboxPrefix(), infoPrefix: INFO_PREFIX, waitMs: 5_000 });
  }

  async #renew(message: Msg): Promise<void> {
    const identity = identityOf(RENEW_PREFIX, message.subject);
    const key = message.data.byteLength > 100 ? '' : message.string();
    const record =
      identity === null || !PUBLIC_KEY.test(key)
        ? null
        : await this.#link.get(USER_STREAM, { last_by_subj: `${subjectOf(USER_PREFIX, identity)}.${key}` });
    if (identity === null || record === null || (await this.#revokedAt(key)) !== null) {
      message.respond(JSON.stringify({ error: 'not known' }));
      return;
    }
    const services = servicesOf(jsonObject(record.data)) ?? undefined;
    message.respond(JSON.stringify({ jwt: await this.#issue(identity, key, services) }));
  }

  /** When the newest JWT of a user was made, in seconds of the epoch; null when that is not known. */
  async #issued(subject: string): Promise<number | null> {
    const record = await this.#link.get(USER_STREAM, { last_by_subj: subject });
    return record === null ? null : seconds(jsonObject(record.data)?.issued);
  }

  /** Up to which second its JWTs are void; null: none is. */
  async #revokedAt(key: string): Promise<number | null> {
    const record = await this.#link.get(USER_STREAM, { last_by_subj: `${REVOKED_PREFIX}.${key}` });
    return record === null ? null : (seconds(jsonObject(record.data)?.at) ?? Math.floor(record.time / 1_000) + 1);
  }

  async #revocations(): Promise<Revocations> {
    const state = await this.#link.stream(USER_STREAM, `${REVOKED_PREFIX}.*`);
    const revocations: Record<string, number> = {};
    for (const subject of state?.subjects ?? []) {
      const key = subject.slice(REVOKED_PREFIX.length + 1);
      const at = await this.#revokedAt(key);
      if (at !== null) revocations[key] = at;
    }
    return revocations;
  }
}

function seconds(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
