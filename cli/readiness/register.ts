// Others are told of an application while its probe finds it ready; of one without a probe as soon as it listens.

import type { Proxy as SidecarProxy } from '../../core/main/options.ts';
import { note } from '../output.ts';
import { type Probe, type Thresholds, type Watch, watchReadiness } from './watch.ts';

/** Resolves when it is registered for the first time. Says on standard error whenever it no longer is, or is again. */
export async function registerWhileReady(
  proxy: Pick<SidecarProxy, 'node' | 'register' | 'unregister'>,
  probe: Probe | null,
  thresholds: Thresholds,
  stopped: AbortSignal,
  wait?: Watch['wait'],
): Promise<void> {
  if (probe === null) return proxy.register();
  const first = Promise.withResolvers<void>();
  let wasReady = false;
  const changed = async (ready: boolean, fault: string): Promise<void> => {
    const { name } = proxy.node;
    if (ready) {
      await proxy.register();
      if (wasReady) note(`mesh: ${name} is ready again: ${probe.what}`);
      wasReady = true;
      first.resolve();
      return;
    }
    await proxy.unregister();
    const row = thresholds.failures === 1 ? '' : `, ${thresholds.failures} times in a row`;
    note(`mesh: ${name} is not ready, and nobody calls it until it is: ${probe.what}: ${fault}${row}`);
  };
  watchReadiness(probe, thresholds, { stopped, changed, ...(wait && { wait }) }).catch((error: Error) => {
    first.reject(error);
    if (wasReady) note(`mesh: ${proxy.node.name} is asked no more whether it is ready: ${error.message}`);
  });
  await first.promise;
}
