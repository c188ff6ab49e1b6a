// node bench/conformance/run.ts: filters built with our SDK, loaded in a real Envoy and in weft, the same requests sent to
// both, and every effect compared. Prints what differs, by name, and ends with 1 when something does.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tellUsage } from '../../scripts/usage.ts';
import { Children } from '../children.ts';
import { envoy } from '../peers/envoy.ts';
import { effects } from './effects.ts';
import { Upstream } from './exchange.ts';
import { type RunningProxy, type Start, startEnvoy, startWeft } from './proxies.ts';
import { type Subject, subjects } from './subjects.ts';

interface Difference {
  readonly of: string;
  /** Why it is to be so; null: it is not. */
  readonly asMeant: string | null;
  readonly envoy: readonly string[];
  readonly weft: readonly string[];
}

async function main(): Promise<number> {
  tellUsage(
    'node bench/conformance/run.ts: filters in a real Envoy and in weft; exit code 1 when their effects differ',
  );
  const absent = await envoy.prepare();
  if (absent !== null) {
    console.error(`conformance: there is no Envoy to compare with: ${absent}`);
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), 'weft-conformance-'));
  const children = new Children();
  const upstream = new Upstream();
  try {
    const port = await upstream.listen();
    let started = 0;
    const start = (by: Start, subject: Subject | null): Promise<RunningProxy> =>
      by(children, join(folder, String(started++)), port, subject);
    const [plainEnvoy, plainWeft] = await Promise.all([start(startEnvoy, null), start(startWeft, null)]);
    let differences = 0;
    for (const subject of await subjects(folder, (line) => console.error(line))) {
      const [inEnvoy, inWeft] = await Promise.all([start(startEnvoy, subject), start(startWeft, subject)]);
      const found: Difference[] = [];
      for (const [number, one] of subject.cases.entries()) {
        const effectsIn = async (plain: RunningProxy, filtered: RunningProxy): Promise<string[]> =>
          effects(await upstream.observe(plain.port, number, one), await upstream.observe(filtered.port, number, one));
        const ofEnvoy = await effectsIn(plainEnvoy, inEnvoy);
        const ofWeft = await effectsIn(plainWeft, inWeft);
        note(found, one.name, ofEnvoy, ofWeft, one.differs);
      }
      await Promise.all([inEnvoy.stop(), inWeft.stop()]);
      note(found, 'what it logs', inEnvoy.said(), inWeft.said());
      report(subject, found);
      differences += found.filter(({ asMeant }) => asMeant === null).length;
    }
    console.log(`${envoy.version()}: ${differences === 0 ? 'no difference' : `${differences} differences`}`);
    return differences === 0 ? 0 : 1;
  } finally {
    await children.stop();
    upstream.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function note(
  found: Difference[],
  of: string,
  inEnvoy: readonly string[],
  inWeft: readonly string[],
  differs?: string,
): void {
  const same = JSON.stringify(inEnvoy) === JSON.stringify(inWeft);
  if (same && differs === undefined) return;
  found.push({
    of: same ? `${of}: no difference, where there was to be one (${differs})` : of,
    asMeant: same ? null : (differs ?? null),
    envoy: inEnvoy.filter((line) => !inWeft.includes(line)),
    weft: inWeft.filter((line) => !inEnvoy.includes(line)),
  });
}

function report({ name, cases }: Subject, found: readonly Difference[]): void {
  console.log(
    `${name}: ${cases.length} requests, ${found.every(({ asMeant }) => asMeant !== null) ? 'the same effects' : 'not the same effects'}`,
  );
  for (const difference of found) {
    console.log(`  ${difference.of}${difference.asMeant === null ? '' : `, as meant: ${difference.asMeant}`}`);
    for (const line of difference.envoy) console.log(`    envoy  ${line}`);
    for (const line of difference.weft) console.log(`    weft   ${line}`);
  }
}

process.exitCode = await main();
