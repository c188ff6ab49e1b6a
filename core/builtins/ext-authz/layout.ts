// The bytes of ext-authz's configuration and of what it asks the host, for both compilers. Little-endian; ../rbac/layout.ts draws
// lists of policies.
//
//   u8 version | u8 1 at a gateway | u32 length | providers for the host, in JSON (provider.ts) | list of providers
//   provider   u32 size | list of policies: who matches one is asked about
//
//   asked of the host   u8 1: no body follows the head | u16 provider...

export const VERSION = 1;
/** Of one workload. */
export const MOST_PROVIDERS = 64;
