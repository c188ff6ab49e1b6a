// Which Weft this is: the version in the package.json above, from source as from dist/.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export function weftVersion(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      if (name === '@weft-mesh/weft') return version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (folder === dirname(folder)) return 'unknown';
  }
}
