// Where a route leads: a service, its subset and port, and the share of each of several.

import { subsetName } from '../formats.ts';
import { nameFault } from '../hosts.ts';
import { object, optional, partly, type Report, type Static, string } from '../schema.ts';
import { PortSelector } from './networking.ts';

/** A wildcard is a service of this name. */
const destinationHost = string({
  code: 'host',
  check: (value) => (value === '*' ? "the host '*' is no destination" : nameFault(value, { wildcard: true })),
});

export const Destination = object({
  host: partly(destinationHost, (value) => (value.startsWith('*') ? 'destinations that are wildcards' : null)),
  subset: optional(subsetName),
  port: optional(PortSelector),
});
export type Destination = Static<typeof Destination>;

export function checkWeights(route: readonly { weight?: number }[] | undefined, report: Report): void {
  if (route === undefined || route.length < 2) return;
  let total = 0;
  for (const { weight } of route) total += weight ?? 0;
  if (total === 0)
    report.error(['route'], 'weight', 'the weights of the destinations add up to 0: nothing would get a request');
  if (total > 4294967295)
    report.error(['route'], 'weight', 'the weights of the destinations add up to more than 4294967295');
}
