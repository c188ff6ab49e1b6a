// node scripts/soak-cluster.ts [ROUNDS]: kills each server of a real NATS cluster in turn, under writers, round after round (about
// half a minute each), and ends with 1 when a copy does not hold what was acknowledged. test/bus/cluster.test.ts does one round.
import { join } from 'node:path';
import { startCluster } from '../test/bus/cluster-harness.ts';
import { killInTurn } from '../test/bus/cluster-rounds.ts';
import { versions } from '../test/bus/server/versions.ts';

const rounds = Number(process.argv[2] ?? 10);
if (!Number.isInteger(rounds) || rounds < 1) throw new Error('ROUNDS is a number from 1 on');
const recent = (await versions()).at(-1)!;
const cluster = await startCluster(join(await recent.folder(), 'nats-server'));
try {
  await killInTurn(cluster, rounds, (line) => console.log(line));
} finally {
  await cluster.stop();
}
