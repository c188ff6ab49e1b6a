// What a control plane signs certificates of workloads with, as the command line says it: nothing, and the mesh has an authority of
// its own in $MESH_HOME, or files of the user's.
import type { Command } from 'commander';
import type { ControlOptions } from '../control/main.ts';
import { CliError, EXIT } from './exit.ts';
import { passphraseFrom, readPassphrase } from './passphrase.ts';

export interface AuthorityChoice {
  readonly caCert?: string;
  readonly caKey?: string;
  readonly caPassphraseFile?: string;
  readonly caPassphraseCommand?: string;
}

const VARIABLE = 'MESH_CA_PASSPHRASE';

export function authorityOptions(command: Command): Command {
  return command
    .option('--ca-cert <file>', 'sign workloads with this certificate: in PEM, with all up to its root')
    .option('--ca-key <file>', 'its key')
    .option('--ca-passphrase-file <file>', `of keys that are encrypted (default: $${VARIABLE}, if it is set)`)
    .option(
      '--ca-passphrase-command <command>',
      'what prints it, for the shell: asks a keeper of secrets at each start',
    );
}

/** Throws CliError. */
export async function chosenAuthority(choice: AuthorityChoice): Promise<NonNullable<ControlOptions['authority']>> {
  const { caCert: certificates, caKey: key, caPassphraseFile: file, caPassphraseCommand: command } = choice;
  if (file !== undefined && command !== undefined) {
    throw new CliError('--ca-passphrase-file and --ca-passphrase-command are one or the other', EXIT.usage);
  }
  const passphrase =
    command === undefined ? ((await readPassphrase(file, VARIABLE)) ?? undefined) : await passphraseFrom(command);
  if (certificates === undefined && key === undefined) return { passphrase };
  if (certificates === undefined || key === undefined) {
    throw new CliError('--ca-cert and --ca-key go together', EXIT.usage);
  }
  return { own: { certificates, key }, passphrase };
}
