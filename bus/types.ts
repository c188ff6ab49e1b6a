// What the bus offers to the control plane and to proxies: the configuration log, leases, statuses, objects. Types only.
// The rest of the project knows these and never NATS.

import type { AccessBackup, AccessRecords } from './access-types.ts';
import type { Certificates } from './certificate-types.ts';
import type { Secrets } from './secret-types.ts';

/** A resource as the bus carries it: decoded by whoever reads it, opaque here. `key` = 'Kind/namespace/name'. */
export interface StoredResource {
  readonly key: string;
  readonly body: unknown;
}

/**
 * Which history of the configuration, and how far. A number alone does not tell: a log that was lost begins again at 1, and one
 * that was restored goes on with other commits of the same numbers.
 */
export interface Position {
  readonly revision: number;
  /** Of the commit message of that revision, which names its parent's; '' at revision 0. */
  readonly digest: string;
  /** Of the newest commit that began anew (see `restore`), ever larger; 0 = there is none. */
  readonly epoch: number;
  /** Digests of the revisions before it, as far as they are known, the nearest first. */
  readonly ancestors: readonly string[];
}

/** From where a change was asked for, as the control plane that made it saw it. */
export interface Origin {
  /** IP address. */
  readonly address: string;
  /** What the client says that it is: 'mesh/0.1.0'. */
  readonly client: string;
  readonly request: string; // 'POST /v1/apply'
}

/** One atomic change of the configuration. Its revision is the number of the commit message in the log. */
export interface Commit {
  readonly revision: number;
  readonly digest: string;
  readonly epoch: number;
  readonly parent: number;
  readonly time: string; // ISO 8601
  readonly author: string;
  /** Nobody asked for it, or it is older than that was kept. */
  readonly origin?: Origin;
  readonly message: string;
  readonly unchanged?: boolean; // begins anew with what stood before, which it does not say again
  readonly upserts: readonly StoredResource[];
  readonly removals: readonly string[];
}

/** A commit without what it wrote and removed: how many those are. */
export interface Outline extends Omit<Commit, 'upserts' | 'removals'> {
  readonly upserts: number;
  readonly removals: number;
}

export interface ConfigState extends Position {
  readonly resources: ReadonlyMap<string, unknown>;
}

/**
 * same: a log has what was followed. restored: it does not, and was made to be followed all the same. fork: it parted from what was
 * followed some revisions ago and went on at least as far, as after a restore of the server's files. other: none of these.
 */
export type Kinship = 'same' | 'restored' | 'fork' | 'other';

/** A log that does not have what a follower runs. */
export interface OtherLog {
  /** Its newest. */
  readonly revision: number;
  /** How it differs, as a clause: 'its log is empty'. */
  readonly reason: string;
}

export interface ConfigListener {
  commit(commit: Commit): void;
  state(state: ConfigState): void;
  /** The log is there and cannot be read, and why, as a clause; it is tried again. Told once, and null once it is over. */
  damaged?(why: string | null): void;
  /**
   * With it a log that does not have what was followed so far is not followed: it is told of here, again when that log changes,
   * and null once it is over. Without it whatever NATS has is the truth.
   */
  held?(log: OtherLog | null): void;
}

/** Someone else committed first. Nothing was written. */
export class ConflictError extends Error {
  readonly expected: number;
  readonly actual: number;

  constructor(expected: number, actual: number) {
    super(`the configuration is at revision ${actual}, not ${expected}: somebody else changed it first`);
    this.expected = expected;
    this.actual = actual;
  }
}

/** NATS is away, or did not answer in time. `outcome` says what became of a write. */
export class BusUnavailableError extends Error {
  readonly outcome: 'nothing' | 'unknown';

  constructor(message: string, outcome: 'nothing' | 'unknown' = 'nothing') {
    super(message);
    this.outcome = outcome;
  }
}

/** NATS does not let this user do that. */
export class BusForbiddenError extends Error {}

/** A change, lease or object is larger than the bus carries. Nothing was written. */
export class TooLargeError extends Error {}

export interface ConfigLog {
  /** The whole state as of the newest commit. Revision 0 = empty. Throws BusUnavailableError. */
  load(): Promise<ConfigState>;
  /**
   * Compare-and-set on the whole store. Throws ConflictError, TooLargeError, BusUnavailableError. Limits are checked before
   * anything is written.
   */
  commit(change: {
    parent: number;
    author: string;
    origin?: Origin;
    message: string;
    upserts: readonly StoredResource[];
    removals: readonly string[];
  }): Promise<Commit>;
  /**
   * Makes this the whole configuration, whatever the log holds now, also when it cannot be read: the explicit act by which
   * followers of another history take this log. `at`: what is restored, if that is known; `parent`: a log that is not at it is a
   * conflict. Throws as commit does.
   */
  restore(whole: {
    parent?: number;
    author: string;
    origin?: Origin;
    message: string;
    resources: readonly StoredResource[];
    at: Position | null;
  }): Promise<Commit>;
  /** The newest full state beside the log; null when there is none. */
  manifest(): Promise<ConfigState | null>;
  /** How the log stands to a history. Throws BusUnavailableError. */
  compare(at: Position): Promise<Kinship>;
  /**
   * Calls back in order with each commit after `from`, without gaps: after a reconnect or a lost message the log is read
   * again from where it stood. When nothing is known yet (null), when history no longer reaches back, is too long to be
   * replayed, or is another one that may be followed, `state` gets the whole state instead. Resolves when the newest commit
   * was delivered, or is held.
   */
  follow(from: Position | null, on: ConfigListener): Promise<Subscription>;
  /** Newest first. */
  history(limit: number): Promise<Commit[]>;
  /** Newest first, those below the revision `before`: without reading what large commits hold. */
  outline(limit: number, before?: number): Promise<Outline[]>;
  /** One commit, or null when there is none of that number or history does not reach back. */
  get(revision: number): Promise<Commit | null>;
  /** The whole state as of an older revision, or null when history does not reach back. */
  at(revision: number): Promise<ConfigState | null>;
}

/** What a proxy serves. Renewed by a small sign every `ttlMs / 3`; each reader expires it by its own clock. */
export interface Lease {
  readonly proxy: string; // node id
  readonly ttlMs: number;
  readonly node: unknown; // core's Node
  readonly endpoints: readonly unknown[]; // core's WorkloadEndpoint[]
  readonly admin: string; // 'http://127.1.0.5:15000'
  readonly version: string;
  readonly startedAt: string;
  /** Of one that was heard: who wrote it, whatever it says. */
  readonly from?: ProxyIdentity;
}

export interface LeaseBoard {
  /** Registers and keeps renewing until withdraw; survives reconnects. */
  hold(lease: Lease): Promise<{ update(lease: Lease): void; withdraw(): Promise<void> }>;
  /**
   * The current set, at first complete and then after each change; for control planes. Expiry runs by the reader's clock, only while it is
   * connected and other leases arrive; on disconnect the last set stays.
   */
  follow(onChange: (leases: ReadonlyMap<string, Lease>) => void): Promise<Subscription>;
}

/** What a proxy says about a revision. */
export interface ProxyStatus {
  readonly proxy: string;
  readonly revision: number;
  readonly ok: boolean;
  /** Problems as core/config tells them; empty when ok, except warnings. */
  readonly problems: readonly unknown[];
  readonly shards: number;
  /** From the arrival of the commit at the proxy to the last shard's swap. */
  readonly ms: number;
  readonly time: string;
  /** Of one that was heard: who wrote it. */
  readonly from?: ProxyIdentity;
}

export interface StatusBoard {
  report(status: ProxyStatus): void;
  /** Latest status of each proxy, at first complete and then one by one. */
  follow(onStatus: (status: ProxyStatus) => void): Promise<Subscription>;
}

export interface StoredObject {
  /** 'sha256:<hex>' */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  /** When it was written; ISO 8601. */
  readonly time: string;
}

/** Content-addressed bytes (plugins, large bodies). */
export interface ObjectStore {
  put(bytes: Uint8Array): Promise<string>; // 'sha256:<hex>'
  get(digest: string): Promise<Uint8Array | null>;
  has(digest: string): Promise<boolean>;
  /** Needs the control plane's user. */
  list(): Promise<StoredObject[]>;
  /** Removes what `keep` does not hold and is older than `graceMs`. Returns how many. Needs the control plane's user. */
  sweep(keep: ReadonlySet<string>, graceMs: number): Promise<number>;
}

/** One of several processes at a time. */
export interface Election {
  /** Calls back when this one becomes the one, and when it no longer is. Resolves once it was first decided. */
  stand(onChange: (elected: boolean) => void): Promise<Subscription>;
}

/** What everybody would ask NATS, told to all by one control plane. */
export interface Heads {
  /** Where the logs and the trust stand now, and how many proxies there are. Throws BusUnavailableError. */
  tell(proxies: number): Promise<void>;
}

export interface Subscription {
  close(): Promise<void>;
}

export interface BusOptions {
  readonly servers: readonly string[];
  /** Where they speak by TLS: whose certificates theirs are below, in PEM. */
  readonly ca?: string;
  /** Of a proxy. */
  readonly user?: ProxyUser;
  readonly name: string;
  /** Base64 PKCS#8 of the Ed25519 key that signs commits; whoever commits needs it. It verifies, too. */
  readonly signingKey?: string;
  /** Base64 SPKI of that key: commits that it did not sign are as if they were empty. Without it nothing is verified. */
  readonly verifyKey?: string;
  /** Told of every change of the connection, for logs and /ready. */
  onConnection?(state: 'connected' | 'disconnected' | 'closed', detail: string): void;
}

/** Who a proxy is on the bus. */
export interface ProxyIdentity {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The node's id. */
  readonly node: string;
}

/** A proxy's user of NATS, as whoever starts the proxy keeps it. */
export interface ProxyUser {
  readonly identity: ProxyIdentity;
  /** Its private key, which goes nowhere. */
  readonly seed: string;
  /** The newest that is known, or ''. */
  readonly jwt: string;
  /** Gets one from who issues them, for the public key. Rejects when it cannot be reached or says no. */
  enrol(publicKey: string): Promise<string>;
  /** Told of each new one. */
  keep(jwt: string): void;
}

/** What those who speak on the bus may say that they serve. */
export interface UserServices {
  /** Names in its namespace; null: anything; undefined: that is not known yet, and is told as a change. */
  of(identity: ProxyIdentity): readonly string[] | null | undefined;
}

/** Users of proxies, for control planes. */
export interface Users {
  /**
   * The JWT of a proxy's key. `services`: what it may say that it serves, as names in its namespace; empty: anything. Throws RangeError
   * for what is no name or key, BusUnavailableError.
   */
  issue(identity: ProxyIdentity, publicKey: string, services?: readonly string[]): Promise<string>;
  /** Follows what users may say that they serve. Ends with the bus. Throws BusUnavailableError. */
  services(onChange: () => void): Promise<UserServices>;
  /** Puts every user of that node out, for good. Returns how many there were. Throws BusUnavailableError. */
  revoke(node: string): Promise<number>;
}

/** One of few records that every control plane may change. */
export interface KeptRecord {
  readonly id: string;
  readonly value: unknown;
  /** Of its last change, ever larger. */
  readonly version: number;
}

/** Records by id, for control planes, in which a change is made once. All throw BusUnavailableError. */
export interface Records {
  get(id: string): Promise<KeptRecord | null>;
  /** False, and nothing is written, when the record is no longer of that version. 0: there is none yet. */
  put(id: string, value: unknown, version: number): Promise<boolean>;
  remove(id: string): Promise<void>;
  all(): Promise<KeptRecord[]>;
}

/** Of one of a proxy's admin endpoints; the path has its query. */
export interface Question {
  readonly method: 'GET' | 'POST';
  readonly path: string;
}

export interface Answered {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What operators ask of a proxy, wherever it is. */
export interface Questions {
  /** For control planes. Throws BusUnavailableError when no answer comes. */
  ask(identity: ProxyIdentity, question: Question, waitMs?: number): Promise<Answered>;
  /** For proxies. `after` follows once the answer is out. `reply` never rejects. */
  answer(reply: (question: Question) => Promise<Answered & { readonly after?: () => void }>): void;
}

export interface Bus {
  readonly config: ConfigLog;
  /** Who serves what, as one of the control planes writes it: by proxy, in place of everybody reading all leases. */
  readonly endpoints: ConfigLog;
  readonly leases: LeaseBoard;
  readonly statuses: StatusBoard;
  /** null for a proxy. */
  readonly users: Users | null;
  /** To be told every few seconds by the control plane that writes `endpoints`. */
  readonly heads: Heads;
  /** By which machines and proxies join. */
  readonly tokens: Records;
  readonly certificates: Certificates;
  readonly secrets: Secrets;
  readonly access: AccessRecords & AccessBackup;
  readonly questions: Questions;
  /** Of the control plane that writes `endpoints`. */
  readonly election: Election;
  readonly objects: ObjectStore;
  readonly connected: boolean;
  close(): Promise<void>;
}
