// Who keeps a side of an exchange from being read: it is read again when nobody does any more.

/** Bits of a set. */
export type ReadDisable = number;

/** A filter holds the message. */
export const BY_FILTERS: ReadDisable = 1;
/** The other side takes nothing more at the moment. */
export const BY_PEER: ReadDisable = 2;
