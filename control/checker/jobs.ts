// What the thread that checks changes does with each message: it decodes, plans and checks, and keeps what was decoded until the
// change is over.
import { decodeFiles, decodeResources, placeProblems } from '../../core/config/decode.ts';
import { kindWords } from '../../core/config/kind-names.ts';
import { moduleDigest } from '../../core/config/modules.ts';
import { isError } from '../../core/config/problem.ts';
import { type Resource, resourceKey } from '../../core/config/resource.ts';
import { describePlugin } from '../../core/wasm/trial/check.ts';
import { CheckedState, type Decoded, NOTHING_DECODED } from './checked-state.ts';
import type { DecodedReply, DiffReply, Entry, Job, Outcome, ToChecker, Wanted } from './messages.ts';
import { type Plan, planApply, planDelete, planState } from './plan.ts';

/** Resources as the log will have them: without what JSON does not carry. */
interface Kept {
  readonly decoded: Decoded;
  readonly bodies: ReadonlyMap<string, Stored>;
}

interface Stored {
  readonly body: unknown;
  readonly json: string;
}

/** In a message. */
const MOST_MISSING = 11;

const UNCHANGED: Pick<Outcome, 'modules' | 'changes' | 'warnings' | 'upserts' | 'removals'> = {
  ...{ modules: [], changes: '[]', warnings: '[]', upserts: [], removals: [] },
};

export class Jobs {
  readonly #state = new CheckedState();
  readonly #kept = new Map<number, Kept>();
  #parts: Entry[] = [];

  /** What a job results in; undefined for what is none. */
  take(message: ToChecker): unknown {
    switch (message.is) {
      case 'part':
        this.#parts.push(...message.entries);
        return undefined;
      case 'state':
        this.#state.begin(message.revision, this.#taken());
        return undefined;
      case 'commit':
        this.#state.commit(message.revision, this.#taken(), message.removals);
        return undefined;
      case 'adopted':
        this.#state.adopt(message.revision);
        return undefined;
      case 'proxies':
        this.#state.joined(message.entries);
        return undefined;
      case 'release':
        this.#kept.delete(message.decoded);
        return undefined;
      case 'job':
        return this.#do(message.id, message.job);
    }
  }

  #do(id: number, job: Job): unknown {
    switch (job.does) {
      case 'kinds':
        return kindWords();
      case 'decode':
        return this.#keep(id, decodeFiles(job.files.map(({ name, text }) => ({ text, file: name }))));
      case 'decodeValues': {
        const { resources, problems } = decodeResources(this.#taken().map(([, value]) => value));
        return this.#keep(id, { resources, problems, origins: new Map() });
      }
      case 'place':
        return placeProblems(job.problems, this.#kept.get(job.decoded)!.decoded);
      case 'diff':
        return this.#diff(this.#with(job.decoded, job.replaced));
      case 'check':
        return this.#check(job.change);
      case 'describe':
        return describePlugin(job.module).refusal;
    }
  }

  #keep(id: number, decoded: Decoded): DecodedReply {
    const { resources, problems } = decoded;
    if (problems.some(isError)) return { problems, plugins: [], resources: 0, first: '', places: [] };
    const bodies = stored(resources);
    this.#kept.set(id, { decoded, bodies });
    const plugins = resources.filter(({ kind }) => kind === 'WasmPlugin');
    const places = [...new Map([...bodies.keys()].map((key) => [key.split('/', 2)[1], key])).values()];
    return { problems: [], plugins, resources: bodies.size, first: bodies.keys().next().value ?? '', places };
  }

  #with(id: number, replaced: readonly Resource[]): Kept {
    const { decoded, bodies } = this.#kept.get(id)!;
    return replaced.length === 0 ? { decoded, bodies } : { decoded, bodies: new Map([...bodies, ...stored(replaced)]) };
  }

  #diff({ bodies }: Kept): DiffReply {
    const { find, revision } = this.#state;
    const diffs = planApply(find, bodiesOf(bodies)).changes.map(({ key, change }) => {
      return { key, change, before: find(key) ?? null, after: bodies.get(key)?.body ?? null };
    });
    return { revision, diffs: JSON.stringify(diffs) };
  }

  #check(change: Wanted): Outcome {
    const state = this.#state;
    state.takeBack();
    const { revision } = state;
    const { plan, decoded, written } = this.#plan(change);
    if (plan === null) {
      const missing = change.wants === 'delete' ? change.keys : [...written.keys()];
      return { ...UNCHANGED, revision, missing: missing.slice(0, MOST_MISSING), refusal: [] };
    }
    const { refusal, warnings } = state.try(plan, decoded);
    const modules = [...written.values()].flatMap(({ body }) =>
      moduleDigest(body as Resource) === null ? [] : (body as Resource),
    );
    return {
      ...{ revision, missing: null, refusal, modules, removals: plan.removals },
      ...{ changes: JSON.stringify(plan.changes), warnings: JSON.stringify(warnings) },
      upserts: [...written].map(([key, { json }]) => [key, json]),
    };
  }

  /** `written`: what goes into the log. Null: there is nothing to delete. */
  #plan(change: Wanted): { plan: Plan | null; decoded: Decoded; written: ReadonlyMap<string, Stored> } {
    const { find } = this.#state;
    const only = (all: ReadonlyMap<string, Stored>, { upserts }: Plan): Map<string, Stored> =>
      new Map([...all].filter(([key]) => upserts.has(key)));
    switch (change.wants) {
      case 'apply': {
        const { decoded, bodies } = this.#with(change.decoded, change.replaced);
        const plan = planApply(find, bodiesOf(bodies));
        return { plan, decoded, written: only(bodies, plan) };
      }
      case 'delete':
        return { plan: planDelete(find, change.keys), decoded: NOTHING_DECODED, written: new Map() };
      case 'deleteDecoded': {
        const { bodies } = this.#kept.get(change.decoded)!;
        const plan = planDelete(find, bodies.keys());
        return { plan, decoded: NOTHING_DECODED, written: plan === null ? bodies : new Map() };
      }
      case 'state': {
        const target = new Map(this.#taken());
        const plan = planState(find, this.#state.keys(), target);
        const all = new Map([...plan.upserts].map(([key, body]) => [key, { body, json: JSON.stringify(body) }]));
        return { plan, decoded: NOTHING_DECODED, written: all };
      }
      case 'restore': {
        const { decoded, bodies } = this.#kept.get(change.decoded)!;
        return { plan: planState(find, this.#state.keys(), bodiesOf(bodies)), decoded, written: bodies };
      }
    }
  }

  #taken(): Entry[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }
}

function stored(resources: readonly Resource[]): Map<string, Stored> {
  return new Map(
    resources.map((resource) => {
      const json = JSON.stringify(resource);
      return [resourceKey(resource), { body: JSON.parse(json), json }];
    }),
  );
}

function bodiesOf(all: ReadonlyMap<string, Stored>): Map<string, unknown> {
  return new Map([...all].map(([key, { body }]) => [key, body]));
}
