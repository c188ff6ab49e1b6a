// The bytes of rbac's configuration, and the numbers in them, for both compilers. Little-endian; sizes let the filter skip what
// is decided.
//
//   u8 version | u8 1 at a gateway | list of policies that deny | of those that allow | of those that would deny |
//   of those that would allow | of those that only count
//   list         u16 count | item...
//   policy       u32 size | text name | list of rules
//   rule         u32 size | u16 index | list of sources | list of operations | conjunction (when)
//   source, operation, conjunction   u32 size | list of matches, all of which must hold
//   match        u32 size | u8 attribute | u8 negated | text key | list of values, one of which must match
//   value        u8 kind | text; of a request principal: u8 kind | text issuer | u8 kind | text subject, as that text
//   text         u16 length | bytes

export const VERSION = 2;

export const ATTRIBUTE_PRINCIPAL = 1;
export const ATTRIBUTE_NAMESPACE = 2;
export const ATTRIBUTE_SOURCE_IP = 3;
export const ATTRIBUTE_REMOTE_IP = 4;
export const ATTRIBUTE_SERVICE_ACCOUNT = 5;
export const ATTRIBUTE_TRUST_DOMAIN = 6;
export const ATTRIBUTE_HOST = 7;
export const ATTRIBUTE_PORT = 8;
export const ATTRIBUTE_METHOD = 9;
export const ATTRIBUTE_PATH = 10;
export const ATTRIBUTE_HEADER = 11;
export const ATTRIBUTE_DESTINATION_IP = 12;
export const ATTRIBUTE_SNI = 13;
export const ATTRIBUTE_REQUEST_PRINCIPAL = 14;
export const ATTRIBUTE_CLAIM = 15;
/** Of the token; part of the request principal, and no condition of its own. */
export const ATTRIBUTE_ISSUER = 16;
/** One more than the last. */
export const ATTRIBUTES = 17;

export const VALUE_EXACT = 0;
export const VALUE_PREFIX = 1;
export const VALUE_SUFFIX = 2;
export const VALUE_PRESENT = 3;
export const VALUE_CIDR = 4;
export const VALUE_TEMPLATE = 5;
export const VALUE_REQUEST_PRINCIPAL = 6;
