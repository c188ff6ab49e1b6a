// Bytes of bodies are borrowed: a shard reads into memory that it writes to again as soon as the receiver of a piece returns.
// Whoever holds a piece for longer calls `retainBytes` before that. Heads are always copies, and stay.

/** Pieces up to this size are never borrowed: they belong to whoever receives them. */
export const BORROWED_ABOVE = 4 * 1024;

const SLAB = 64 * 1024;
/** For tests: what was borrowed and not retained is overwritten at once, so that a receiver that forgot to retain it reads nonsense. */
const OVERWRITES = process.env.WEFT_OVERWRITE_BORROWED === '1';

let kept = 0;
let slab = Buffer.allocUnsafeSlow(SLAB);
let used = 0;

/** What was borrowed for the callback that runs now is held for longer: nobody writes to it again. Costs next to nothing. */
export function retainBytes(): void {
  kept++;
}

/** Lends `piece` for the time of `receiver.receive`. False: it was kept, and its memory is not the lender's any more. */
export function passBorrowed(receiver: ByteReceiver, piece: Buffer): boolean {
  const before = kept;
  receiver.receive(piece);
  if (kept !== before) return false;
  if (OVERWRITES) piece.fill(0xdd);
  return true;
}

export interface ByteReceiver {
  /** More than BORROWED_ABOVE bytes are borrowed; see `retainBytes`. */
  receive(piece: Buffer): void;
}

/** A copy that lies beside others, for what is small and stays: nobody writes to it again. */
export function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const size = end - start;
  if (SLAB - used < size) {
    if (size > BORROWED_ABOVE) return Buffer.from(bytes.subarray(start, end));
    slab = Buffer.allocUnsafeSlow(SLAB);
    used = 0;
  }
  const at = used;
  used += size;
  bytes.copy(slab, at, start, end);
  return slab.subarray(at, used);
}
