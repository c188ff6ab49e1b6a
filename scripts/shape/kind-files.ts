// What a kind of configuration is made of: its file, and those that know it, by importing the file or by its name. Where a
// kind is enforced, that is most of them; where nothing reads it, they are what having a kind takes.
import { KINDS, type KindName } from '../../core/config/kind-names.ts';
import { EFFECT, type Effect } from '../../core/config/schema.ts';
import type { Tree } from './imports.ts';

export interface KindFiles {
  readonly name: string;
  readonly file: string;
  readonly outside: readonly string[];
}

/** Of each kind that no proxy reads; the ones of fewest files first. Tests and benchmarks are not counted. */
export function kindFiles(tree: Tree): KindFiles[] {
  const names = (Object.keys(KINDS) as KindName[]).filter((name) => {
    const effect = (KINDS[name].spec as { [EFFECT]?: Effect })[EFFECT];
    return effect !== undefined && effect.kind !== 'partial';
  });
  return names.map((name) => filesOf(name, tree)).sort((a, b) => a.outside.length - b.outside.length);
}

function filesOf(name: KindName, { sources, imports }: Tree): KindFiles {
  const defining = [...sources].find(
    ([path, text]) => path.startsWith('core/config/kinds/') && text.includes(`name: '${name}'`),
  );
  const file = defining![0];
  const importing = imports.filter(({ to }) => to === file).map(({ from }) => from);
  const naming = [...sources].filter(([, text]) => text.includes(`'${name}'`)).map(([path]) => path);
  const outside = new Set([...importing, ...naming].filter((path) => path !== file && !/^(test|bench)\//.test(path)));
  return { name, file, outside: [...outside].sort() };
}
