// A tiny task for the tests of crews: says hello, answers, and ends in the way that it is told to.

import type { MessagePort } from 'node:worker_threads';
import { HEARTBEAT_MS, Pulse } from '../../../core/threads/pulse.ts';

export type Order = 'answer' | 'throw' | 'reject' | 'exit' | 'settle' | 'loop' | 'loop at work';

/** What the thread works on when it is told to loop at work. */
export const WORK = 7;

interface Start {
  readonly index: number;
  readonly port: MessagePort;
  readonly pulse: SharedArrayBuffer;
  readonly greeting: string;
}

export default function crewTask({ index, port, pulse: memory, greeting }: Start): Promise<void> {
  return new Promise((resolve) => {
    const pulse = new Pulse(memory, index);
    const heart = setInterval(() => pulse.beat(), HEARTBEAT_MS);
    port.on('message', (order: Order) => {
      switch (order) {
        case 'answer':
          port.postMessage(`${index} answers`);
          return;
        case 'throw':
          throw new TypeError('thrown');
        case 'reject':
          void Promise.reject(new Error('rejected'));
          return;
        case 'exit':
          process.exit(3);
          return;
        case 'settle':
          clearInterval(heart);
          port.close();
          resolve();
          return;
        case 'loop at work':
          pulse.begin(WORK);
      }
      for (;;);
    });
    port.postMessage(`${greeting} ${index}`);
  });
}
