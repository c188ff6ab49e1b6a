// Certificates of a proxy that was put out: the mesh is told that they count no more, with what it trusts. They are not listed: their
// numbers say whose they are, and of which era.
import type { Certificates, Revoked } from '../../bus/certificate-types.ts';
import { nodeMark } from '../../core/config/serial.ts';
import type { Authority } from './authority.ts';

/** Every proxy keeps them all. */
const MOST = 1_000;
/** Clocks of a mesh may differ by this much. */
const SKEW_S = 15 * 60;
/** Each is lost to another control plane, which queues as this one does: with three of them two of three. */
const ATTEMPTS = 30;

/** It is not revoked, and why. */
export class NotRevoked extends Error {}

export interface RevokingParts {
  readonly authority: Authority;
  readonly bus: Pick<Certificates, 'retrust'>;
  /** Ms of the epoch. */
  readonly now?: () => number;
}

/**
 * Revokes the certificates that a node has now. Those that it gets later, as another one of its name, count. One after the other: all
 * of them change the same. Rejects with NotRevoked, BusUnavailableError, and an Error in one sentence where it cannot be read what the
 * mesh trusts; with what this control plane would sign, and whether it can, it has nothing to do.
 */
export function revoking(parts: RevokingParts): (node: string) => Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  return (node) => {
    const done = last.then(() => revokeCertificates(node, parts));
    last = done.catch(() => null);
    return done;
  };
}

async function revokeCertificates(node: string, { authority, bus, now = Date.now }: RevokingParts): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    // What another control plane did since counts.
    const trust = await authority.trust();
    const second = Math.floor(now() / 1_000);
    const revoked = living(trust.revoked, second);
    const mark = nodeMark(node);
    const since = Math.max(second, (revoked[mark]?.since ?? 0) + 1);
    const until = second + Math.ceil(authority.lifeMs / 1_000) + SKEW_S;
    const next = { ...trust, revoked: { ...revoked, [mark]: { since, until } } };
    if (Object.keys(next.revoked).length > MOST) {
      throw new NotRevoked(
        `${MOST} proxies were revoked within a day, which is all that proxies remember: its certificate counts until it ends`,
      );
    }
    if (await bus.retrust(next)) return authority.replaced(next);
  }
  throw new NotRevoked('others change what the mesh trusts all the time: revoke it again');
}

/** Those of which a certificate may still be valid. */
function living(revoked: Revoked, second: number): Revoked {
  return Object.fromEntries(Object.entries(revoked).filter(([, { until }]) => until > second));
}
