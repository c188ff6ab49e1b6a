// A plugin's folder as commands are told of it.
import { ManifestError } from '../../plugins/manifest.ts';
import { type Project, readProject } from '../../plugins/project.ts';
import { CliError, EXIT } from '../exit.ts';

/** Throws CliError (usage) when it is none. */
export async function openProject(folder: string): Promise<Project> {
  return readProject(folder).catch((error: Error) => {
    throw error instanceof ManifestError ? new CliError(error.message, EXIT.usage) : error;
  });
}
