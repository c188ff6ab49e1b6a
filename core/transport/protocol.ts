// What a connection speaks, by the name that ALPN has for it. Types only.

export type Protocol = 'http/1.1' | 'h2';
