// The bytes of the configuration of headers, for both compilers. Little-endian:
//
//   u8 version | changes of the request | changes of the response
//   changes   list of names to remove | list of (name, value) to set | list of (name, value) to add

export const VERSION = 1;
