// Where a failed check ends: it says what and where, and traps.

import { proxy_log } from './abi';
import { bytes, Slice } from './slice';

export function abort(message: string | null, file: string | null, _line: u32, _column: u32): void {
  if (message != null) say(bytes(message));
  if (file != null) say(bytes(file));
  unreachable();
}

function say(text: Slice): void {
  proxy_log(5, text.ptr, text.length);
}
