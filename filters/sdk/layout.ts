// Numbers that the SDK shares with a host that knows it: where what lies in the frame (frame.ts draws it), and what the host
// says when it calls a filter of its own accord. Constants only, written so that AssemblyScript and TypeScript read the same.

/** Behind `weft_frame_` in the name of the export that says where the frame lies. */
export const FRAME_VERSION = 2;
export const FRAME_SIZE = 4440;

/** Names and values of a frame. */
export const SLOTS = 16;
export const COUNT = 4;
/** Of a request; of a response 4 bytes behind it, and behind that of properties. */
export const WANTED = 8;
export const TOLD = 20;
export const NAMES = 24;
/** Behind the names, of 8 bytes each. */
export const VALUES = 152;
/** Bytes of one value. */
export const VALUE = 12;
/** Behind the values. */
export const ROOM = 344;

/** proxy_on_foreign_function: the time of weft_wake_after has come. */
export const WAKE = 1;
