// The files of a package's tarball, in memory: nothing is ever written to disk, and no path of it is trusted.
import { Parser } from 'tar';
import { StepFailed } from '../step.ts';

const MOST_BYTES = 96 * 1024 * 1024;
const MOST_FILES = 20_000;
const PIECE = 16 * 1024;

/** By path below the `strip` outermost folders: a package has one. Throws StepFailed (check, refused). */
export function unpack(tarball: Uint8Array, name: string, strip: 0 | 1 = 1): Promise<ReadonlyMap<string, Uint8Array>> {
  return new Promise((resolve, reject) => {
    const files = new Map<string, Uint8Array>();
    let bytes = 0;
    let count = 0;
    let refused = false;
    const refuse = (why: string): void => {
      refused = true;
      reject(new StepFailed('check', 'refused', `${name} ${why}`));
    };
    const parser = new Parser({
      strict: true,
      onReadEntry(entry) {
        const path = String(entry.path);
        count++;
        if (path.split(/[/\\]/).includes('..') || /^([/\\]|[a-z]:)/i.test(path) || path.includes('\0')) {
          refuse(`holds ${JSON.stringify(path.slice(0, 100))}, a path that leaves it`);
        } else if (count > MOST_FILES) refuse(`holds more than ${MOST_FILES} files`);
        if (entry.type !== 'File' && entry.type !== 'OldFile') {
          entry.resume();
          return;
        }
        const chunks: Buffer[] = [];
        entry.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes <= MOST_BYTES) chunks.push(chunk);
          else {
            chunks.length = 0;
            refuse(`unpacks to more than ${MOST_BYTES / 1024 / 1024} MiB`);
          }
        });
        entry.on('end', () =>
          files.set(path.replace(strip === 0 ? /^\.\// : /^(\.\/)?[^/]*\//, ''), Buffer.concat(chunks)),
        );
      },
    });
    parser.on('error', (error: Error) => refuse(`is no tarball: ${error.message}`));
    parser.on('end', () => resolve(files));
    // Piece by piece: what one unpacks to is in memory at once, and after a refusal nothing more is unpacked.
    const bytesOf = Buffer.from(tarball.buffer, tarball.byteOffset, tarball.byteLength);
    for (let at = 0; at < bytesOf.length && !refused; at += PIECE) parser.write(bytesOf.subarray(at, at + PIECE));
    if (!refused) parser.end();
  });
}
