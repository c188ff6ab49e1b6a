// The bytes of fault's configuration, and the numbers in them, for both compilers. Little-endian:
//
//   u8 version | u8 what the request's headers say themselves | u32 delay chance | u32 delay ms | u32 abort chance
//   | u16 HTTP status (0: none) | u8 gRPC status | u32 faults at a time
//
// A chance is in millionths (1/10,000 of a percent), 0 = never.

export const VERSION = 2;
export const SIZE = 21;
/** Always. */
export const MILLION = 1000000;

export const DELAY_BY_HEADER = 1;
export const ABORT_BY_HEADER = 2;

/** No gRPC status. */
export const NO_GRPC = 255;
/** As many faults at a time as there are requests. */
export const NO_LIMIT = 0xffffffff;
