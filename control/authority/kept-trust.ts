// Whom the mesh believed last, beside the authority's keys: what is told to a NATS that has lost it.
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Trust } from '../../bus/certificate-types.ts';
import { isFingerprint } from '../../core/config/pem.ts';
import { type AuthorityFiles, isMade } from './files.ts';

type Kept = Omit<Trust, 'version'>;

const FILE = 'trust.json';

/** null: none was kept. Throws an Error in one sentence for what cannot be read. */
export async function keptTrust(files: AuthorityFiles): Promise<Kept | null> {
  const file = await fileOf(files);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`${file} cannot be read: ${(error as Error).message}`);
  }
  let kept: Partial<Kept> | null;
  try {
    kept = JSON.parse(text) as Partial<Kept> | null;
  } catch {
    kept = null;
  }
  if (typeof kept?.roots === 'string') {
    const { roots, signing, intermediate = '', revoked = {} } = kept;
    if (isName(signing) && isName(intermediate)) return { roots, signing, intermediate, revoked };
  }
  throw new Error(`${file} is damaged: remove it where NATS still knows what the mesh trusts`);
}

/** The authority's folder is made with all that is in it: where the user has one of his own, and there was none before, not in there. */
async function fileOf({ dir, own }: AuthorityFiles): Promise<string> {
  return own === undefined || (await isMade({ dir })) ? join(dir, FILE) : `${dir}-${FILE}`;
}

/** Of a folder beside it, or of none. */
function isName(given: unknown): given is string {
  return typeof given === 'string' && (given === '' || isFingerprint(given));
}

/** Nothing is written where nothing changed. Throws an Error in one sentence. */
export async function keepTrust(
  files: AuthorityFiles,
  { roots, signing, intermediate, revoked }: Trust,
): Promise<void> {
  const file = await fileOf(files);
  const text = `${JSON.stringify({ roots, signing, intermediate, revoked })}\n`;
  const before = await readFile(file, 'utf8').catch(() => '');
  if (before === text) return;
  // Other control planes may share the folder.
  const next = `${file}.${randomUUID()}`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(next, text, { mode: 0o600 });
    await rename(next, file);
  } catch (error) {
    await rm(next, { force: true });
    throw new Error(`${file} cannot be kept: ${(error as Error).message}`);
  }
}
