// Bytes of bodies are lent: a shard reads into memory that it writes to again as soon as the receiver of a piece returns.
// Whoever holds a piece for longer says `keepLent` before that, and it is his. Heads are always copies, and stay.

/** Pieces up to this size are never lent: they belong to whoever receives them. */
export const LENT_ABOVE = 4 * 1024;

const SLAB = 64 * 1024;
/** For tests: what was lent and not kept is overwritten at once, so that who forgot to keep it reads nonsense. */
const OVERWRITES = process.env.WEFT_OVERWRITE_LENT === '1';

let kept = 0;
let slab = Buffer.allocUnsafeSlow(SLAB);
let used = 0;

/** What was lent for the callback that runs now is held for longer: nobody writes to it again. Costs next to nothing. */
export function keepLent(): void {
  kept++;
}

/** Lends `piece` for the time of `receiver.receive`. False: it was kept, and its memory is not the lender's any more. */
export function lend(receiver: ByteReceiver, piece: Buffer): boolean {
  const before = kept;
  receiver.receive(piece);
  if (kept !== before) return false;
  if (OVERWRITES) piece.fill(0xdd);
  return true;
}

export interface ByteReceiver {
  /** More than LENT_ABOVE bytes are lent; see `keepLent`. */
  receive(piece: Buffer): void;
}

/** A copy that lies beside others, for what is small and stays: nobody writes to it again. */
export function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const size = end - start;
  if (SLAB - used < size) {
    if (size > LENT_ABOVE) return Buffer.from(bytes.subarray(start, end));
    slab = Buffer.allocUnsafeSlow(SLAB);
    used = 0;
  }
  const at = used;
  used += size;
  bytes.copy(slab, at, start, end);
  return slab.subarray(at, used);
}
