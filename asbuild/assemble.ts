// WebAssembly text to a module, for guests that are written by hand.

import binaryen from 'assemblyscript/binaryen';

const { Features } = binaryen;
/** Without them no section that they need is written. */
const FEATURES =
  Features.MutableGlobals |
  Features.NontrappingFPToInt |
  Features.SignExt |
  Features.BulkMemory |
  Features.Multivalue |
  Features.ReferenceTypes |
  Features.TailCall |
  Features.SIMD128;

/** Throws what is wrong with the text. */
export function assemble(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  module.setFeatures(FEATURES);
  try {
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}
