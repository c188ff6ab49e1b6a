// The figures of the tree's shape, one a line, as `npm run check` prints them. What they may come to is asserted in
// test/architecture.test.ts.
import { balancerFiles } from './balancer-files.ts';
import { builtinFiles, count } from './builtin-files.ts';
import { commandFiles } from './command-files.ts';
import { filesByFolder } from './folders.ts';
import { circles, longestChain } from './graph.ts';
import { ownImports, readTree } from './imports.ts';
import { kindFiles } from './kind-files.ts';
import { filesOfOneGet } from './request-files.ts';

const tree = await readTree();

for (const [folder, { files, lines }] of filesByFolder(tree)) print(`${folder}/`, `${files} files, ${lines} lines`);

const loaded = longestChain(ownImports(tree).filter(({ typeOnly }) => !typeOnly));
print('longest chain of imports', `${loaded.length} (${loaded.join(' -> ')})`);
print('longest chain, types and lazy imports included', String(longestChain(ownImports(tree)).length));
print('circles, types and lazy imports included', String(circles(ownImports(tree)).length));

const entered = await filesOfOneGet(tree);
print(
  'files that one GET with one filter enters',
  `${entered.length} (${entered.reduce((sum, { lines }) => sum + lines, 0)} lines)`,
);

const [smallest, ...larger] = builtinFiles(tree);
print(
  'files that a new built-in touches',
  `${count(smallest)} (as ${smallest.name}: ${smallest.rooms.length} in its two rooms, and ${smallest.outside.join(', ')})`,
);
print('files of the other built-ins', larger.map((one) => `${one.name} ${count(one)}`).join(', '));

const [plainest, ...others] = kindFiles(tree);
print(
  'files that a new kind touches',
  `${plainest.outside.length + 1} (as ${plainest.name}: ${[plainest.file, ...plainest.outside].join(', ')})`,
);
print(
  'files of the other kinds that no proxy reads',
  others.map(({ name, outside }) => `${name} ${outside.length + 1}`).join(', '),
);

const [widest] = balancerFiles(tree);
print(
  'files that a new balancer touches',
  `${widest.outside.length + 1} (as ${widest.name}: ${[widest.file, ...widest.outside].join(', ')}); the names of all that Istio knows stand in ${widest.vocabulary.join(', ')}`,
);

const [command] = commandFiles(tree);
print('files that a new command touches', `${command.length} (${command.join(', ')})`);

function print(what: string, figure: string): void {
  process.stdout.write(`${what}: ${figure}\n`);
}
