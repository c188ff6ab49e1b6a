// The thread that checks changes, so that the control plane's event loop never waits for it.
import { parentPort } from 'node:worker_threads';
import { giveBackSpareHeap } from '../../core/shard/spare-heap.ts';
import { Jobs } from './jobs.ts';
import type { FromChecker, Outcome, ToChecker } from './messages.ts';

/** Of one message: who gets it has to take it apart at once. */
const PART = 200;

const jobs = new Jobs();
const say = (message: FromChecker): void => parentPort!.postMessage(message);

// A large change, and the state as it was told, leave more behind than what is kept of them.
giveBackSpareHeap();

parentPort!.on('message', (message: ToChecker) => {
  if (message.is !== 'job') {
    jobs.take(message);
    return;
  }
  const { id } = message;
  say({ is: 'began', id });
  try {
    const result = jobs.take(message);
    say({ is: 'done', id, result: message.job.does === 'check' ? inParts(id, result as Outcome) : result });
  } catch (error) {
    say({ is: 'failed', id, why: (error as Error).stack ?? String(error) });
  }
});

function inParts(id: number, outcome: Outcome): Outcome {
  const { upserts } = outcome;
  let at = 0;
  for (; at + PART < upserts.length; at += PART) say({ is: 'part', id, upserts: upserts.slice(at, at + PART) });
  return { ...outcome, upserts: upserts.slice(at) };
}
