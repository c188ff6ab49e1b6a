// node bench/conformance/run.ts: filters loaded in a real Envoy and in weft, the same requests sent to both, and every effect
// compared: ours, or the modules of the lists that are named. Prints what differs, by name, and ends with 1 when something does.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tellUsage } from '../../scripts/usage.ts';
import { Children } from '../children.ts';
import { envoy } from '../peers/envoy.ts';
import { Comparison } from './comparison.ts';
import { subjectsIn } from './listed.ts';
import { report } from './report.ts';
import { subjects } from './subjects.ts';

async function main(): Promise<number> {
  tellUsage(
    'node bench/conformance/run.ts [LIST.json ...]: filters in a real Envoy and in weft; exit code 1 when their effects differ',
  );
  const absent = await envoy.prepare();
  if (absent !== null) {
    console.error(`conformance: there is no Envoy to compare with: ${absent}`);
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), 'weft-conformance-'));
  const children = new Children();
  const comparison = new Comparison(children, folder);
  try {
    const lists = process.argv.slice(2);
    const wanted = lists.length > 0 ? lists.flatMap(subjectsIn) : await subjects(folder, (line) => console.error(line));
    await comparison.open();
    let differences = 0;
    for (const subject of wanted) {
      const found = await comparison.of(subject);
      console.log(report(subject, found));
      differences += found.filter(({ asMeant }) => asMeant === null).length;
    }
    console.log(`${envoy.version()}: ${differences === 0 ? 'no difference' : `${differences} differences`}`);
    return differences === 0 ? 0 : 1;
  } finally {
    await children.stop();
    comparison.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
