// What kinds of networking.istio.io have in common: their versions, who may see them, ports and percentages.

import { percent, port } from '../formats.ts';
import { array, object, optional, type Static, string } from '../schema.ts';

export const NETWORKING = ['v1', 'v1beta1', 'v1alpha3'] as const;

export const PortSelector = object({ number: port });
export type PortSelector = Static<typeof PortSelector>;

export const Percent = object({ value: optional(percent) });
export type Percent = Static<typeof Percent>;

export const exportTo = optional(
  array(
    string({
      code: 'name',
      check: (value) =>
        value === '.' || value === '*' || value === '~' || /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(value)
          ? null
          : `${JSON.stringify(value)} is no namespace, nor '.', '*' or '~'`,
    }),
  ),
);
