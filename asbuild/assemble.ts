// WebAssembly text to a module, for guests that are written by hand.

import binaryen from 'assemblyscript/binaryen';

/** Throws what is wrong with the text. */
export function assemble(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  try {
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}
