// The bytes of ratelimit's configuration and of what it asks the host, and the numbers in them, for both compilers.
// Little-endian (../encoding.ts has lists and texts):
//
//   u8 version | u8 1 at a gateway | u8 who is told | u32 length | limits for the host, in JSON (foreign-limit.ts)
//   | list of limits
//   limit   u32 size | u64 identity | list of methods | u8 how its path matches
//           | text path (of a pattern: u16 number and its text) | list of keys
//   key     u8 attribute (../rbac/layout.ts) | text name of a header or claim
//
//   block, in    u32 count | 20 bytes | (u32 limit | u32 of the host | u64 fingerprint)...
//   block, out   u32 1 if limited | u32 tokens of the bucket that decided | u32 remaining | u32 seconds until there is one

export const VERSION = 2;

/** Whose answers have x-ratelimit headers. */
export const TOLD_NOBODY = 0;
export const TOLD_REFUSED = 1;
export const TOLD_EVERYBODY = 2;

export const PATH_ANY = 0;
export const PATH_EXACT = 1;
export const PATH_PREFIX = 2;
export const PATH_PATTERN = 3;

/** Bytes of a block before its entries, and of each. */
export const BLOCK_HEADER = 24;
export const BLOCK_ENTRY = 16;
