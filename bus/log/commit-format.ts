// How a commit and a manifest look on the wire, and the chain they form. Nothing here talks to NATS.
//
//   commit message   JSON { v, id, parent, parentDigest, epoch, time, author, origin?, message, change | pack }
//                    header Weft-Signature
//   parentDigest     sha256 of the parent's message: a log that was replaced, or a writer that skipped the
//                    compare-and-set, is seen by the first reader
//   epoch            the parent's, or a larger one: then the change is the whole configuration, and followers of another
//                    history take this log (Position)
//   unchanged        with such an epoch: it is what stood before, so that only who followed something else reads it
//   counts           beside a pack, how many resources it writes and removes: a list of commits needs no more
//   change           { upserts, removals } inline while that is short, else `pack`: the same gzipped (packs.ts), written
//                    'gzip:' and base64, or of a large one the digest of an object that holds it
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { MsgHdrs } from 'nats';
import type { Commit, ConfigState, Origin, Position, StoredResource } from '../types.ts';

export const SIGNATURE_HEADER = 'Weft-Signature';
/** A message with more than this keeps its change in an object. */
export const INLINE_BYTES = 256 * 1024;
/** JSON of one change, before compression. */
export const MAX_CHANGE_BYTES = 32 * 1024 * 1024;
/** JSON of the whole state, before compression. */
export const MAX_STATE_BYTES = 256 * 1024 * 1024;

export interface Change {
  readonly upserts: readonly StoredResource[];
  readonly removals: readonly string[];
}

export interface Envelope {
  readonly v: 1;
  /** Unique: how a writer finds out whether an unanswered publish was its own. */
  readonly id: string;
  readonly parent: number;
  readonly parentDigest: string;
  readonly epoch: number;
  readonly time: string;
  readonly author: string;
  readonly origin?: Origin;
  readonly message: string;
  readonly change?: Change;
  readonly pack?: string;
  /** Begins anew with what stood before: who followed it has all of it. */
  readonly unchanged?: boolean;
  /** Of what is in the pack. */
  readonly counts?: { readonly upserts: number; readonly removals: number };
}

export interface Manifest {
  readonly v: 1;
  readonly revision: number;
  /** sha256 of the commit message of that revision, and its epoch. */
  readonly digest: string;
  readonly epoch: number;
  readonly time: string;
  /** Object with the gzipped JSON StoredResource[]. */
  readonly pack: string;
}

/** Before the first commit. */
export const EMPTY_STATE: ConfigState = { revision: 0, digest: '', epoch: 0, ancestors: [], resources: new Map() };
/** A history that goes on differently is known for the same one by these. */
const MAX_ANCESTORS = 32;

export class Seal {
  readonly #private: KeyObject | null;
  readonly #public: KeyObject | null;

  /** Keys as BusOptions has them. Throws when one is no Ed25519 key. */
  constructor(keys: { signingKey?: string; verifyKey?: string }) {
    this.#private =
      keys.signingKey === undefined
        ? null
        : createPrivateKey({ key: Buffer.from(keys.signingKey, 'base64'), format: 'der', type: 'pkcs8' });
    this.#public =
      keys.verifyKey !== undefined
        ? createPublicKey({ key: Buffer.from(keys.verifyKey, 'base64'), format: 'der', type: 'spki' })
        : this.#private && createPublicKey(this.#private);
  }

  /** The header's value, or null when there is no key to sign with. */
  sign(payload: Uint8Array): string | null {
    return this.#private && sign(null, payload, this.#private).toString('base64');
  }

  holds(payload: Uint8Array, headers: MsgHdrs | undefined): boolean {
    if (this.#public === null) return true;
    const signature = headers?.get(SIGNATURE_HEADER) ?? '';
    return signature !== '' && verify(null, payload, this.#public, Buffer.from(signature, 'base64'));
  }
}

/** A stored message as an envelope; null when it is none, is not signed, or does not belong at `revision`. */
export function readEnvelope(
  data: Uint8Array,
  headers: MsgHdrs | undefined,
  revision: number,
  seal: Seal,
): Envelope | null {
  if (!seal.holds(data, headers)) return null;
  const value = parse(data);
  if (!isObject(value) || value.v !== 1 || value.parent !== revision - 1) return null;
  const { id, parentDigest, epoch, time, author, message, change, pack } = value;
  if (!Number.isSafeInteger(epoch)) return null;
  for (const text of [id, parentDigest, time, author, message]) if (typeof text !== 'string') return null;
  if (pack === undefined ? !isChange(change) : typeof pack !== 'string') return null;
  if (value.counts !== undefined && !isCounts(value.counts)) return null;
  if (value.unchanged !== undefined && typeof value.unchanged !== 'boolean') return null;
  return { ...(value as unknown as Envelope), origin: readOrigin(value.origin) };
}

/** Says nothing about the change itself: one that cannot be read costs no more than itself. */
function readOrigin(value: unknown): Origin | undefined {
  if (!isObject(value)) return undefined;
  const { address, client, request } = value;
  if (typeof address !== 'string' || typeof client !== 'string' || typeof request !== 'string') return undefined;
  return { address, client, request };
}

export function readManifest(data: Uint8Array, headers: MsgHdrs | undefined, seal: Seal): Manifest | null {
  if (!seal.holds(data, headers)) return null;
  const value = parse(data);
  if (!isObject(value) || value.v !== 1) return null;
  for (const number of [value.revision, value.epoch]) if (!Number.isSafeInteger(number)) return null;
  for (const text of [value.digest, value.time, value.pack]) if (typeof text !== 'string') return null;
  return value as unknown as Manifest;
}

/** What a message stands for that is in the log but is no commit: nothing changes. */
export function voidCommit(revision: number, digest: string, time: string): Commit {
  return {
    revision,
    digest,
    epoch: 0,
    parent: revision - 1,
    time,
    author: '',
    message: 'not a commit: ignored',
    upserts: [],
    removals: [],
  };
}

/** The state after a commit. Bodies and untouched entries are shared with the old one. */
export function applyCommit(state: ConfigState, commit: Commit): ConfigState {
  const resources = new Map(beginsAnew(state, commit) ? [] : state.resources);
  for (const key of commit.removals) resources.delete(key);
  for (const { key, body } of commit.upserts) resources.set(key, body);
  return { ...advance(state, commit), resources };
}

/** What such a commit brings is the whole configuration. Whoever followed its parent has what one brings that changes nothing. */
export function beginsAnew(from: Position, { epoch, unchanged }: Commit): boolean {
  return epoch > from.epoch && unchanged !== true;
}

/** What is no commit has no epoch: it leaves the one that stands. */
export function advance(from: Position, { revision, digest, epoch }: Commit): Position {
  const ancestors = from.revision === 0 ? [] : [from.digest, ...from.ancestors].slice(0, MAX_ANCESTORS);
  return { revision, digest, epoch: Math.max(from.epoch, epoch), ancestors };
}

function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString());
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

export function isStored(value: unknown): value is StoredResource {
  return isObject(value) && typeof value.key === 'string' && 'body' in value;
}

function isCounts(value: unknown): boolean {
  return isObject(value) && Number.isSafeInteger(value.upserts) && Number.isSafeInteger(value.removals);
}

export function isChange(value: unknown): value is Change {
  return (
    isObject(value) &&
    Array.isArray(value.upserts) &&
    value.upserts.every(isStored) &&
    Array.isArray(value.removals) &&
    value.removals.every((key) => typeof key === 'string')
  );
}
