// A body as a filter sees it: the part that passes, or after a pause all that was held.

import { OK, proxy_get_buffer_bytes, proxy_set_buffer_bytes } from './abi';
import { Slice, slice } from './slice';

@unmanaged
export class Body {
  /** Bytes here now. */
  size: i32 = 0;
  /** No more follows. */
  end: bool = false;

  constructor(private readonly buffer: u32) {}

  /** `length` bytes from `start` on, as far as there are any. */
  read(start: i32 = 0, length: i32 = this.size): Slice {
    return readBuffer(this.buffer, start, length);
  }

  /** Everything here is replaced. */
  replace(data: Slice): void {
    proxy_set_buffer_bytes(this.buffer, 0, this.size, data.ptr, data.length);
    this.size = data.length;
  }

  prepend(data: Slice): void {
    proxy_set_buffer_bytes(this.buffer, 0, 0, data.ptr, data.length);
    this.size += data.length;
  }

  append(data: Slice): void {
    proxy_set_buffer_bytes(this.buffer, this.size, 0, data.ptr, data.length);
    this.size += data.length;
  }
}

const request = new Body(0);
const response = new Body(1);

/** In onRequestTrailers: what the filter held of the body. Trailers end a body: then no piece of it has `end`. */
export function heldRequestBody(): Body {
  return held(request, 0);
}

/** In onResponseTrailers: what the filter held of the body. Trailers end a body: then no piece of it has `end`. */
export function heldResponseBody(): Body {
  return held(response, 1);
}

function held(body: Body, buffer: u32): Body {
  body.size = readBuffer(buffer, 0, i32.MAX_VALUE).length;
  body.end = true;
  return body;
}

/** Bytes of one of the ABI's buffers; does not exist when there is no such buffer. */
export function readBuffer(buffer: u32, start: i32, length: i32): Slice {
  const value = slice(0, 0);
  const at = changetype<usize>(value);
  value.exists = proxy_get_buffer_bytes(buffer, start, length, at, at + offsetof<Slice>('length')) == OK;
  return value;
}
