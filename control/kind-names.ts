// Which kind a user means: `virtualservices`, `VirtualService` and `vs` are the same.

const SHORT: Readonly<Record<string, string>> = {
  ap: 'authorizationpolicy',
  deploy: 'deployment',
  dr: 'destinationrule',
  fc: 'filterchain',
  gtw: 'gateway',
  gw: 'gateway',
  pa: 'peerauthentication',
  ra: 'requestauthentication',
  rlp: 'ratelimitpolicy',
  sa: 'serviceaccount',
  se: 'serviceentry',
  svc: 'service',
  vs: 'virtualservice',
  we: 'workloadentry',
  wg: 'workloadgroup',
};

/** Whether `name`, as a user typed it, stands for `kind`, as a resource spells it. */
export function meansKind(name: string, kind: string): boolean {
  const typed = name.toLowerCase();
  const full = kind.toLowerCase();
  if (typed === full || SHORT[typed] === full) return true;
  if (full.endsWith('y')) return typed === `${full.slice(0, -1)}ies`;
  return typed === (/(?:s|x|ch)$/.test(full) ? `${full}es` : `${full}s`);
}
