// How long a mesh of so many proxies needs for another root: each of the three steps, from its beginning until every proxy says that it
// has followed. The proxies are simulated; their certificates, and who signs and asks, are what a mesh has.
import { setTimeout as delay } from 'node:timers/promises';
import type { MeasuredMesh } from '../scale/mesh.ts';

export interface RotationFigures {
  readonly proxies: number;
  /** Seconds. */
  readonly believed: number;
  readonly signed: number;
  readonly forgotten: number;
  readonly controlCpuSeconds: number;
}

const PATIENCE_MS = 180_000;

/** Throws when it does not come to its end. */
export async function measureRotation(
  mesh: MeasuredMesh,
  proxies: number,
  say: (line: string) => void,
): Promise<RotationFigures> {
  mesh.addProxies(proxies, 2);
  await followed(mesh, proxies);
  say(`${proxies} proxies have a certificate`);
  const before = await mesh.reading();
  const step = async (name: string): Promise<number> => {
    const began = performance.now();
    await mesh.api.rotate();
    await followed(mesh, proxies);
    const seconds = (performance.now() - began) / 1_000;
    say(`${name}: ${seconds.toFixed(1)} s`);
    return seconds;
  };
  const believed = await step('the new root is believed');
  const signed = await step('certificates are below it');
  const forgotten = await step('the old one is believed no more');
  const after = await mesh.reading();
  const controlCpuSeconds = (after.controlCpuMicros - before.controlCpuMicros) / 1e6;
  return { proxies, believed, signed, forgotten, controlCpuSeconds };
}

async function followed(mesh: MeasuredMesh, wanted: number): Promise<void> {
  for (const until = performance.now() + PATIENCE_MS; ; await delay(200)) {
    const { proxies, waiting } = await mesh.api.authority();
    if (proxies === wanted && waiting.length === 0) return;
    if (performance.now() > until)
      throw new Error(`${proxies} of ${wanted} proxies, of which ${waiting.length} wait (${waiting[0]?.why})`);
  }
}
