// The bytes of authn's configuration, and the numbers in them, for both compilers. Little-endian:
//
//   u8 version | u32 length | rules for the host, in JSON (rules.ts)
//   list of headers that nobody but the filter writes | u16 how many rules require a token | list of places | list of rules
//   list    u16 count | item...
//   place   u8 where a token is looked for | text name | text prefix
//   rule    u32 size | u8 1 if the token is forwarded | text header of the payload, or '' | list of headers of claims
//   text    u16 length | bytes

export const VERSION = 2;

export const IN_HEADER = 0;
/** Of the query. */
export const IN_PARAMETER = 1;
export const IN_COOKIE = 2;
