// What a control plane signs certificates of workloads with, as the command line says it: nothing, and the mesh has an authority of
// its own in $MESH_HOME, or files of the user's.
import type { Command } from 'commander';
import type { ControlOptions } from '../control/main.ts';
import { CliError, EXIT } from './exit.ts';
import { readPassphrase } from './passphrase.ts';

export interface AuthorityChoice {
  readonly caCert?: string;
  readonly caKey?: string;
  readonly caPassphraseFile?: string;
}

const VARIABLE = 'MESH_CA_PASSPHRASE';

export function authorityOptions(command: Command): Command {
  return command
    .option('--ca-cert <file>', 'sign workloads with this certificate: in PEM, with all up to its root')
    .option('--ca-key <file>', 'its key')
    .option('--ca-passphrase-file <file>', `of keys that are encrypted (default: $${VARIABLE}, if it is set)`);
}

/** Throws CliError. */
export async function chosenAuthority(choice: AuthorityChoice): Promise<NonNullable<ControlOptions['authority']>> {
  const { caCert: certificates, caKey: key, caPassphraseFile } = choice;
  const passphrase = (await readPassphrase(caPassphraseFile, VARIABLE)) ?? undefined;
  if (certificates === undefined && key === undefined) return { passphrase };
  if (certificates === undefined || key === undefined) {
    throw new CliError('--ca-cert and --ca-key go together', EXIT.usage);
  }
  return { own: { certificates, key }, passphrase };
}
