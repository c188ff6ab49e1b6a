// nats-server from Debian's package, fetched and unpacked without root.
import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type Fetching, findTool, isExecutable, run } from './tool.ts';

/** Debian's package to `target`, by way of the folder `work`. Returns null, or a clause that says why that did not work. */
export async function fetchDebianPackage({ target, work, toolPath, onProgress }: Fetching): Promise<string | null> {
  const apt = await findTool('apt-get', toolPath);
  const dpkg = await findTool('dpkg', toolPath);
  if (apt === null || dpkg === null) return "there is no apt-get to fetch Debian's package with";
  onProgress?.("nats-server is not installed: fetching Debian's package (about 5 MB) ...");
  let fetched = await run(apt, ['download', '-q', 'nats-server'], work);
  if (fetched.code !== 0) {
    // A fresh container image knows no packages; lists of our own need no root.
    onProgress?.('apt knows no nats-server yet: reading the package lists ...');
    const lists = await ownLists(work);
    const updated = await run(apt, [...lists, 'update', '-q'], work);
    if (updated.code === 0) fetched = await run(apt, [...lists, 'download', '-q', 'nats-server'], work);
    else fetched = updated;
  }
  const deb = (await readdir(work)).find((name) => name.endsWith('.deb'));
  if (fetched.code !== 0 || deb === undefined) return `apt-get could not fetch it (${fetched.lastLine})`;
  onProgress?.('unpacking nats-server ...');
  const unpacked = await run(dpkg, ['-x', deb, 'root'], work);
  if (unpacked.code !== 0) return `dpkg could not unpack it (${unpacked.lastLine})`;
  for (const folder of ['usr/sbin', 'usr/bin']) {
    const path = join(work, 'root', folder, 'nats-server');
    if (!(await isExecutable(path))) continue;
    await rename(path, target);
    return null;
  }
  return "Debian's package holds no nats-server";
}

/** apt options that keep package lists in a folder of ours. */
async function ownLists(work: string): Promise<string[]> {
  const folder = join(work, 'apt');
  await mkdir(join(folder, 'lists', 'partial'), { recursive: true });
  await mkdir(join(folder, 'cache', 'archives', 'partial'), { recursive: true });
  return ['-o', `Dir::State::lists=${join(folder, 'lists')}`, '-o', `Dir::Cache=${join(folder, 'cache')}`];
}
