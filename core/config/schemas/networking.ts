// What kinds of networking.istio.io have in common: their versions, who may see them, ports and percentages.

import { percent, port } from '../formats.ts';
import type { Resource } from '../resource.ts';
import { array, object, optional, type Report, type Static, string } from '../schema.ts';

export const NETWORKING = ['v1', 'v1beta1', 'v1alpha3'] as const;

/** What is wrong with it; `nobody`: it may say so. */
export function checkExportTo(
  exportTo: readonly string[] | undefined,
  nobody: boolean,
  report: Report,
  field = 'exportTo',
): void {
  const given = exportTo ?? [];
  given.forEach((to, i) => {
    if (given.indexOf(to) < i) report.error([field, i], 'duplicate', `${JSON.stringify(to)} is listed twice`);
    else if (to === '~' && !nobody)
      report.error([field, i], 'name', "'~' is for services: a rule that nobody sees is of no use");
    else if ((to === '*' || to === '~') && given.some((other) => other !== to))
      report.error([field, i], 'contradiction', `'${to}' does not go with others`);
  });
}

/** '.' is a namespace, too. */
export function checkOwnExport(
  { metadata, spec }: Resource<{ readonly exportTo?: readonly string[] }>,
  report: Report,
): void {
  const own = (spec.exportTo ?? []).flatMap((to, i) => (to === '.' || to === metadata.namespace ? [i] : []));
  if (own.length < 2) return;
  report.error(
    ['spec', 'exportTo', own[1]],
    'duplicate',
    `'.' is the namespace ${JSON.stringify(metadata.namespace)}: it is listed twice`,
  );
}

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
