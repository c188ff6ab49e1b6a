// Reads messages off a connection as strictly as a client or a server of the RFC's may: what is not whole yet, or is none, is told.

export interface Message {
  /** Start line and fields, with the empty line. */
  readonly head: string;
  readonly body: string;
  /** Field lines after a chunked body. */
  readonly trailers: string;
  /** What follows on the connection. */
  readonly rest: string;
}

/** Null: not whole. `bodyless`: it answers HEAD. `closed`: nothing more will come. */
export function readMessage(text: string, bodyless = false, closed = false): Message | null {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const head = text.slice(0, end + 4);
  const after = text.slice(end + 4);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
  const request = status === 0;
  if (bodyless || (status > 0 && status < 200) || status === 204 || status === 304) {
    return { head, body: '', trailers: '', rest: after };
  }
  if (/\r\ntransfer-encoding: chunked\r\n/i.test(head)) return readChunked(head, after);
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(head);
  if (length === null) {
    if (request) return { head, body: '', trailers: '', rest: after };
    return closed ? { head, body: after, trailers: '', rest: '' } : null;
  }
  const size = Number(length[1]);
  if (after.length < size) return null;
  return { head, body: after.slice(0, size), trailers: '', rest: after.slice(size) };
}

function readChunked(head: string, text: string): Message | null {
  let body = '';
  let rest = text;
  for (;;) {
    const line = rest.indexOf('\r\n');
    if (line < 0) return null;
    const size = Number.parseInt(rest.slice(0, line), 16);
    rest = rest.slice(line + 2);
    if (size === 0) break;
    if (rest.length < size + 2) return null;
    body += rest.slice(0, size);
    rest = rest.slice(size + 2);
  }
  if (rest.startsWith('\r\n')) return { head, body, trailers: '', rest: rest.slice(2) };
  const end = rest.indexOf('\r\n\r\n');
  if (end < 0) return null;
  return { head, body, trailers: rest.slice(0, end + 2), rest: rest.slice(end + 4) };
}
