// Whom the mesh believed last, beside the authority's keys: what is told to a NATS that has lost it.
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Trust } from '../../bus/certificate-types.ts';
import { isFingerprint } from '../../core/config/pem.ts';

type Kept = Omit<Trust, 'version'>;

const FILE = 'trust.json';

/** null: none was kept. Throws an Error in one sentence for what cannot be read. */
export async function keptTrust(dir: string): Promise<Kept | null> {
  const file = join(dir, FILE);
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

/** Of a folder beside it, or of none. */
function isName(given: unknown): given is string {
  return typeof given === 'string' && (given === '' || isFingerprint(given));
}

/** Nothing is written where nothing changed. Throws an Error in one sentence. */
export async function keepTrust(dir: string, { roots, signing, intermediate, revoked }: Trust): Promise<void> {
  const file = join(dir, FILE);
  const text = `${JSON.stringify({ roots, signing, intermediate, revoked })}\n`;
  const before = await readFile(file, 'utf8').catch(() => '');
  if (before === text) return;
  // Other control planes may share the folder.
  const next = `${file}.${randomUUID()}`;
  try {
    await writeFile(next, text, { mode: 0o600 });
    await rename(next, file);
  } catch (error) {
    await rm(next, { force: true });
    throw new Error(`${file} cannot be kept: ${(error as Error).message}`);
  }
}
