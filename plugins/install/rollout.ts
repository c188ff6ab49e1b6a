// How a change reached the proxies, in words.
import type { Rollout } from './control-plane.ts';

/** '7/7 proxies, p50 4.1 ms, max 12 ms' */
export function proxiesOf({ expected, acked, p50Ms, maxMs }: Rollout): string {
  const times = p50Ms === null ? '' : `, p50 ${milliseconds(p50Ms)}, max ${milliseconds(maxMs ?? p50Ms)}`;
  return `${acked}/${expected} proxies${times}`;
}

function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
