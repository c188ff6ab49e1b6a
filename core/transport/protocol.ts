// What a connection speaks, by the name that ALPN has for it. Types only.

/**
 * 'weft-multiplexed': requests of HTTP/1.1, many at a time in the frames of HTTP/2, from one sidecar to another; to everybody beyond
 * the two they are HTTP/1.1.
 */
export type Protocol = 'http/1.1' | 'h2' | 'weft-multiplexed';
