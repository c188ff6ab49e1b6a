// What a balancer is made of: its file, and those that know it, by importing the file or by the name that a DestinationRule
// gives it. The schema names all of Istio's, whether there is such a balancer or not, so it is told apart.
import { BALANCERS } from '../../core/cluster/balancers/balancers.ts';
import type { Tree } from './imports.ts';

export interface BalancerFiles {
  readonly name: string;
  readonly file: string;
  /** They know it. */
  readonly outside: readonly string[];
  /** They also name what has no balancer. */
  readonly vocabulary: readonly string[];
}

/** Istio's, as which no balancer is here. */
const WITHOUT = 'PASSTHROUGH';

/** Of each balancer, the one that most files know first. Tests and benchmarks are not counted. */
export function balancerFiles({ sources, imports }: Tree): BalancerFiles[] {
  const product = [...sources].filter(([path]) => !isTest(path));
  const found = Object.entries(BALANCERS).map(([name, { name: className }]) => {
    const file = product.find(([, text]) => text.includes(`export class ${className} implements Balancer`))![0];
    const importing = imports.filter(({ to }) => to === file).map(({ from }) => from);
    const naming = product.filter(([, text]) => text.includes(`'${name}'`) || text.includes(` ${name}: `));
    const knowing = new Set([...importing, ...naming.map(([path]) => path)]);
    const others = [...knowing].filter((path) => path !== file && !isTest(path)).sort();
    const isVocabulary = (path: string): boolean => sources.get(path)!.includes(`'${WITHOUT}'`);
    return {
      name,
      file,
      outside: others.filter((path) => !isVocabulary(path)),
      vocabulary: others.filter(isVocabulary),
    };
  });
  return found.sort((a, b) => b.outside.length - a.outside.length);
}

function isTest(path: string): boolean {
  return /^(test|bench)\//.test(path);
}
