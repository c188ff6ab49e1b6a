// Bytes of a file to its text. UTF-8, and UTF-16 as editors and shells of Windows write it; anything else is told, since what
// is replaced in silence would be configuration that nobody wrote.

import { isUtf8 } from 'node:buffer';
import type { Problem } from './resource.ts';

/** The text without its byte order mark, or the one thing that is wrong with it. */
export function decodeText(bytes: Uint8Array, file?: string): { text: string } | { problem: Problem } {
  const encoding = utf16(bytes);
  if (encoding !== null) {
    try {
      return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes) };
    } catch {
      return { problem: wrong('it begins as text in UTF-16 and is none: save it as UTF-8', file) };
    }
  }
  const text = new TextDecoder('utf-8').decode(bytes);
  if (isUtf8(bytes)) return { text };
  const before = text.slice(0, text.indexOf('\ufffd'));
  const line = before.split('\n').length;
  const column = before.length - before.lastIndexOf('\n');
  return { problem: wrong('a byte that is not UTF-8: save it as UTF-8', file, { line, column }) };
}

/** By its mark, or by the NUL beside its first character, which is ASCII in all that is configuration. */
function utf16(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  const [a, b, c, d] = bytes;
  if (bytes.length < 2) return null;
  if ((a === 0xff && b === 0xfe) || (a !== 0 && b === 0 && (bytes.length < 4 || c !== 0))) {
    return c === 0 && d === 0 ? null : 'utf-16le';
  }
  return (a === 0xfe && b === 0xff) || (a === 0 && b !== 0) ? 'utf-16be' : null;
}

function wrong(message: string, file: string | undefined, place: { line?: number; column?: number } = {}): Problem {
  return { severity: 'error', code: 'encoding', message, ...(file !== undefined && { file }), ...place };
}
