// What a connection of HTTP/1 allows its peer beside what every codec allows.

/** Bytes of a request's body that are read and thrown away after an early answer, to keep the connection. */
export const MAX_DISCARD = 64 * 1024;
/** After our FIN the client's bytes are taken for this long, so that no RST overtakes the answer. */
export const LINGER_MS = 2000;
/**
 * Before our FIN: a client that takes nothing for this long is given up. The kernel frees a large part of its buffer
 * before it tells us, so a slow client seems to stand still for many seconds.
 */
export const STALL_MS = 60_000;
/** Interim answers (1xx) before the real one; more is no server but a flood. */
export const MAX_INTERIM = 64;

/** For what a server's connection waits. */
export const WAIT = Object.freeze({
  NOTHING: 0,
  IDLE: 1,
  HEAD: 2,
  /** For the rest of a request that was answered before it was read, or for the answer to one that was refused. */
  REST: 3,
  /** For the client to take what was written; then for its FIN. */
  FLUSH: 4,
  FIN: 5,
});
