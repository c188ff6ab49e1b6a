// `mesh nats`: the servers under the mesh, when they are more than the one of `mesh up`.
import type { Command } from 'commander';
import { addChosen, type Choice } from '../choices.ts';
import { commandGroup } from '../command-group.ts';

const COMMANDS: readonly Choice[] = [
  ['config', async () => (await import('./nats/config.ts')).addNatsConfigCommand],
  ['status', async () => (await import('./nats/status.ts')).addNatsStatusCommand],
];

export async function natsCommand(program: Command, words: readonly string[]): Promise<void> {
  const group = commandGroup(program.command('nats'))
    .description('Write what the nats-servers of a cluster need, and see how they are')
    .addHelpText(
      'after',
      `
Examples:
  $ mesh nats config --cluster --server n1=10.0.0.1:4222 --server n2=10.0.0.2:4222 --server n3=10.0.0.3:4222 --out conf/
  $ mesh nats status -o json`,
    );
  await addChosen(group, COMMANDS, words);
}
