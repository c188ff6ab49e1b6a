// Routes of history, and of who runs which revision.

import type { Bus, Commit, Outline } from '../../bus/types.ts';
import type { Problem } from '../../core/config/resource.ts';
import type { Caller } from '../access/caller.ts';
import { mayEverywhere, mayIn, namespaceOf } from '../access/permissions.ts';
import { ApiError } from '../api-error.ts';
import { noSuchRevision } from '../apply.ts';
import type { Rollouts } from '../rollout.ts';
import { ERRORS, HistoryReply, RevisionNumber, RevisionReply, RolloutReply } from '../schemas.ts';
import { Type } from '../shapes.ts';
import type { Store } from '../store.ts';
import type { App } from './app.ts';

const MAX_HISTORY = 500;
const MAX_WAIT_MS = 600_000;
/** A revision that another control plane has just made may not be here yet. */
const ARRIVAL_MS = 1_000;

const Params = Type.Object({ n: RevisionNumber });

export function revisionRoutes(app: App, parts: { bus: Bus; store: Store; rollouts: Rollouts }): void {
  const { bus, store, rollouts } = parts;

  const arrive = async (revision: number): Promise<void> => {
    if (revision <= store.state.revision) return;
    // Not arriving is the answer "there is none", below.
    await store.reach(revision, ARRIVAL_MS).catch(() => null);
    const newest = store.state.revision;
    if (revision > newest) throw new ApiError(404, noSuchRevision(revision, newest));
  };

  app.get(
    '/v1/revisions',
    {
      schema: {
        summary: 'The commits that are kept, newest first',
        tags: ['history'],
        querystring: Type.Object(
          {
            limit: Type.Integer({ minimum: 1, maximum: MAX_HISTORY, default: 20 }),
            before: Type.Optional(
              Type.Integer({ minimum: 1, description: 'Those below this revision, to read on where a list ended' }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: HistoryReply, ...ERRORS },
      },
    },
    async ({ query: { limit, before }, caller }) => {
      const newest = await bus.config.outline(limit, before);
      const items = mayEverywhere(caller, 'viewer') ? newest : await outlineFor(caller, bus, newest);
      return {
        revision: before === undefined ? (newest[0]?.revision ?? store.state.revision) : store.state.revision,
        items,
      };
    },
  );

  app.get(
    '/v1/revisions/:n',
    {
      schema: {
        summary: 'One commit, with what it changed',
        tags: ['history'],
        params: Params,
        response: { 200: RevisionReply, ...ERRORS },
      },
    },
    async ({ params: { n }, caller }) => {
      await arrive(n);
      const commit = await bus.config.get(n);
      if (commit === null)
        throw new ApiError(404, n === 0 ? 'revision 0 is the empty configuration' : `revision ${n} is no longer kept`);
      const seen = seenBy(caller, commit);
      if (seen === null)
        throw new ApiError(403, `revision ${n} changed nothing in a namespace that ${caller.name} may read`);
      return { ...seen, upserts: [...seen.upserts], removals: [...seen.removals] };
    },
  );

  app.get(
    '/v1/revisions/:n/rollout',
    {
      schema: {
        summary: 'Who runs a revision; waits until everybody has answered',
        tags: ['proxies'],
        params: Params,
        querystring: Type.Object(
          { timeoutMs: Type.Integer({ minimum: 0, maximum: MAX_WAIT_MS, default: 0 }) },
          { additionalProperties: false },
        ),
        response: { 200: RolloutReply, ...ERRORS },
      },
    },
    async (request) => {
      const { caller } = request;
      const { n } = request.params;
      await arrive(n);
      // The connection may outlive the request: many are asked on one.
      const { socket } = request.raw;
      const gone = new AbortController();
      const abort = (): void => gone.abort();
      socket.once('close', abort);
      const report = await rollouts
        .wait(n, request.query.timeoutMs, gone.signal)
        .finally(() => socket.off('close', abort));
      if (report === null) throw new ApiError(503, 'too many callers wait for rollouts; try again');
      return { ...report, nacked: report.nacked.map((nack) => ({ ...nack, problems: toldTo(caller, nack.problems) })) };
    },
  );
}

/** What a list says of those that have something for the caller. */
async function outlineFor(caller: Caller, bus: Bus, all: readonly Outline[]): Promise<Outline[]> {
  const told: Outline[] = [];
  for (const outline of all) {
    const commit = await bus.config.get(outline.revision);
    const seen = commit && seenBy(caller, commit);
    if (seen !== null) told.push({ ...outline, upserts: seen.upserts.length, removals: seen.removals.length });
  }
  return told;
}

/** As far as it is in namespaces that the caller may read; null: nothing of it is. */
function seenBy(caller: Caller, commit: Commit): Commit | null {
  if (mayEverywhere(caller, 'viewer')) return commit;
  const upserts = commit.upserts.filter(({ key }) => mayIn(caller, 'viewer', namespaceOf(key)));
  const removals = commit.removals.filter((key) => mayIn(caller, 'viewer', namespaceOf(key)));
  return upserts.length + removals.length === 0 ? null : { ...commit, upserts, removals };
}

/** Of what a proxy finds wrong: problems of resources that the caller may read. */
function toldTo(caller: Caller, problems: readonly unknown[]): unknown[] {
  if (mayEverywhere(caller, 'viewer')) return [...problems];
  return (problems as readonly Partial<Problem>[]).filter(
    (problem) => typeof problem?.resource === 'string' && mayIn(caller, 'viewer', namespaceOf(problem.resource)),
  );
}
