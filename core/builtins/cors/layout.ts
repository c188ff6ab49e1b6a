// The bytes of a route's configuration for cors, and the numbers in them, for both compilers. Little-endian:
//
//   u8 version | u8 flags | list of origins
//   | text methods | text headers | text exposed headers | text seconds, or '' for none
//   origin   u8 how it matches | text (of a pattern: u16 number and its text)

export const VERSION = 1;

/** Flags. */
export const CREDENTIALS = 1;
/** Preflights of other origins are not forwarded. */
export const IGNORE_UNMATCHED = 2;

export const ORIGIN_ANY = 0;
export const ORIGIN_EXACT = 1;
export const ORIGIN_PREFIX = 2;
export const ORIGIN_PATTERN = 3;
