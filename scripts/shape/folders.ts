// How much is where: the files of the product by the folder that they lie in, two deep in core/, which is most of it.
import type { Tree } from './imports.ts';

export interface Contents {
  readonly files: number;
  readonly lines: number;
}

/** In the order of their names. What lies loose in core/ is 'core'. */
export function filesByFolder({ sources }: Tree): [folder: string, contents: Contents][] {
  const folders = new Map<string, Contents>();
  for (const [path, text] of sources) {
    const [top, room] = path.split('/').slice(0, -1);
    const folder = top === 'core' && room !== undefined ? `${top}/${room}` : top;
    const { files, lines } = folders.get(folder) ?? { files: 0, lines: 0 };
    folders.set(folder, { files: files + 1, lines: lines + text.split('\n').length - 1 });
  }
  return [...folders].sort(([a], [b]) => (a < b ? -1 : 1));
}
