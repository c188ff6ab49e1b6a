// Which one of several control planes does what only one should: who claims it by compare-and-set, and renews the claim. Others
// take it over when it was not renewed for some seconds by their own clock, or at once when it was given up.
import { randomUUID } from 'node:crypto';
import { headers } from 'nats';
import { store } from './jetstream.ts';
import { jsonObject } from './json.ts';
import type { Clock } from './leases.ts';
import type { Link } from './link.ts';
import { WRITER_STREAM, WRITER_SUBJECT } from './subjects.ts';
import { BusUnavailableError, type Election, type Subscription } from './types.ts';

/** As it is stored. */
interface Claim {
  readonly by: string;
  readonly given?: 'up';
}

const RENEW_MS = 1_000;
const TAKE_OVER_MS = 3_000;
/** Two of them are over before another one takes over. */
const ANSWER_MS = 1_000;

export class NatsElection implements Election {
  readonly #link: Link;
  readonly #clock: Clock;

  constructor(link: Link, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
  }

  async stand(onChange: (elected: boolean) => void): Promise<Subscription> {
    const candidate = new Candidate(this.#link, this.#clock, onChange);
    let turning: Promise<void> | null = null;
    // One at a time: a NATS that is slow to answer is not asked again meanwhile.
    const turn = (): Promise<void> => {
      turning ??= candidate.turn().finally(() => {
        turning = null;
      });
      return turning;
    };
    await turn();
    const stop = this.#clock.every(RENEW_MS, () => void turn());
    return {
      async close() {
        stop();
        await turning;
        await candidate.giveUp();
      },
    };
  }
}

class Candidate {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #onChange: (elected: boolean) => void;
  readonly #id = randomUUID();
  /** Sequence of the own claim; null while somebody else's stands. */
  #claim: number | null = null;
  #renewedAt = 0;
  #seen = -1;
  #seenAt = 0;

  constructor(link: Link, clock: Clock, onChange: (elected: boolean) => void) {
    this.#link = link;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  async turn(): Promise<void> {
    try {
      if (this.#claim !== null) await this.#renew(this.#claim);
      else await this.#look();
    } catch (error) {
      if (!(error instanceof BusUnavailableError)) throw error;
      // By now another may have it.
      if (this.#claim !== null && this.#clock.now() - this.#renewedAt > TAKE_OVER_MS) this.#set(null);
    }
  }

  /** So that nobody waits for it to run out. */
  async giveUp(): Promise<void> {
    if (this.#claim === null || !this.#link.connected) return;
    await this.#publish({ by: this.#id, given: 'up' }, this.#claim).catch((error: unknown) => {
      if (!(error instanceof BusUnavailableError)) throw error;
    });
    this.#claim = null;
  }

  async #renew(claim: number): Promise<void> {
    const asked = this.#clock.now();
    const renewed = (await this.#publish({ by: this.#id }, claim)) ?? (await this.#own());
    if (renewed !== null) this.#renewedAt = asked;
    this.#set(renewed);
  }

  /** A claim of one's own that was stored, though nobody answered. */
  async #own(): Promise<number | null> {
    const { sequence, claim } = await this.#standing();
    return claim?.by === this.#id && claim.given === undefined ? sequence : null;
  }

  async #look(): Promise<void> {
    const { sequence, claim } = await this.#standing();
    const now = this.#clock.now();
    if (sequence !== this.#seen) {
      this.#seen = sequence;
      this.#seenAt = now;
    }
    const free = claim === null || claim.given === 'up' || claim.by === this.#id;
    if (free || now - this.#seenAt > TAKE_OVER_MS) await this.#renew(sequence);
  }

  async #standing(): Promise<{ readonly sequence: number; readonly claim: Claim | null }> {
    const message = await this.#link.leading(WRITER_STREAM, { last_by_subj: WRITER_SUBJECT }, ANSWER_MS);
    if (message === null) return { sequence: 0, claim: null };
    return { sequence: message.sequence, claim: jsonObject(message.data) as Claim | null };
  }

  #publish(what: Claim, after: number): Promise<number | null> {
    const head = headers();
    head.set('Nats-Expected-Last-Subject-Sequence', String(after));
    return store(this.#link, WRITER_SUBJECT, JSON.stringify(what), head, ANSWER_MS);
  }

  #set(claim: number | null): void {
    const before = this.#claim !== null;
    this.#claim = claim;
    if (before !== (claim !== null)) this.#onChange(claim !== null);
  }
}
