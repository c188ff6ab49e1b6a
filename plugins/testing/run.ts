// Runs fixtures: each test starts the module anew in the proxies' own host, its steps go through that one instance, and
// what is different from what is expected is told. Opens no socket.
import { createHash } from 'node:crypto';

import type { FuelBudget } from '../../core/wasm/guest/fuel.ts';
import { DEFAULT_LIMITS, type PluginSpec } from '../../core/wasm/guest/spec.ts';
import { checkPlugin } from '../../core/wasm/trial/check.ts';
import { Recording } from '../../core/wasm/trial/recording.ts';
import { NOTHING, type Passed, TrialSession } from '../../core/wasm/trial/trial-session.ts';
import { configurationBytes } from '../configuration.ts';
import { asText, TRIAL_FUEL } from '../try.ts';
import type { Happened, Mismatch } from './expectation.ts';
import type { Step, TestCase } from './fixture.ts';
import { describe } from './matcher.ts';

export interface Subject {
  /** As logs name it. */
  readonly name: string;
  readonly rootId: string;
  /** What tests without a configuration run with. */
  readonly defaultConfiguration: unknown;
  /** Services that it may call; null: all. */
  readonly mayCall: readonly string[] | null;
  /** Says in one line what is wrong with a configuration by its schema; null: nothing. */
  readonly wrongConfiguration: (value: unknown) => string | null;
}

/** A module that tests can run. */
export interface Loaded extends Subject {
  readonly module: WebAssembly.Module;
  readonly digest: string;
  /** Callbacks that it exports: 'proxy_on_request_headers'. */
  readonly callbacks: readonly string[];
}

export interface TestResult {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly passed: boolean;
  readonly ms: number;
  /** `step`: '' when there is one alone. */
  readonly failures: readonly (Mismatch & { readonly step: string })[];
  /** How often each callback ran. */
  readonly callbacks: ReadonlyMap<string, number>;
}

const NO_TIMER = { what: 'tick', expected: 'a timer', actual: 'the filter has set none' };

/** Checks and compiles a module. A string is why it is refused, in one line. */
export function loadModule(bytes: Uint8Array, subject: Subject): Loaded | string {
  const { description, module } = checkPlugin(bytes);
  if (module === null) return description.refusal ?? 'it cannot run';
  return {
    ...subject,
    module,
    digest: createHash('sha256').update(bytes).digest('hex'),
    callbacks: description.exports.filter((name) => /^proxy_on_/.test(name) && name !== 'proxy_on_memory_allocate'),
  };
}

export function specOf(loaded: Loaded, test: TestCase): PluginSpec {
  const { configuration, vmConfiguration, rootId } = test;
  return {
    name: loaded.name,
    digest: loaded.digest,
    module: loaded.module,
    builtin: null,
    rootId: rootId ?? loaded.rootId,
    vmId: '',
    vmConfiguration: Buffer.from(vmConfiguration),
    configuration: configurationBytes(configuration === undefined ? loaded.defaultConfiguration : configuration.value),
    env: {},
    failStrategy: 'FAIL_CLOSE',
    isolation: 'inline',
    limits: DEFAULT_LIMITS,
    mayCall: loaded.mayCall,
    capabilities: null,
    proven: false,
  };
}

/** Rejects only when the host itself fails. */
export async function runTest(loaded: Loaded, test: TestCase, fuel: FuelBudget = TRIAL_FUEL): Promise<TestResult> {
  const began = performance.now();
  const recording = new Recording(test.steps[0]?.properties ?? new Map());
  const failures: (Mismatch & { readonly step: string })[] = [];
  const wrong = schemaMismatch(loaded, test);
  if (wrong !== null) failures.push({ ...wrong, step: '' });
  const session = new TrialSession(specOf(loaded, test), fuel, recording);
  try {
    const start = startMismatch(session, recording, test);
    if (start !== null) failures.push({ ...start, step: '' });
    else {
      const happened = await happens(session, recording, null);
      for (const check of test.started) failures.push(...named('', check(happened)));
      for (const step of session.refusal === null ? test.steps : []) {
        const came = await happens(session, recording, step);
        if (step.kind === 'tick' && !came.ticked) failures.push({ ...NO_TIMER, place: step.place, step: step.name });
        for (const check of step.checks) failures.push(...named(step.name, check(came)));
      }
    }
  } finally {
    session.stop();
  }
  return {
    name: test.name,
    file: test.place.file,
    line: test.place.line,
    passed: failures.length === 0,
    ms: performance.now() - began,
    failures: failures.sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column),
    callbacks: recording.callbacks,
  };
}

/** A configuration that an installer would refuse proves nothing, unless it is to be refused. */
function schemaMismatch(loaded: Loaded, { configuration, refused }: TestCase): Mismatch | null {
  if (configuration === undefined || refused !== null) return null;
  const actual = loaded.wrongConfiguration(configuration.value);
  if (actual === null) return null;
  return { place: configuration.place, what: 'configuration', expected: 'as its schema says', actual };
}

function startMismatch({ refusal }: TrialSession, recording: Recording, { refused, place }: TestCase): Mismatch | null {
  const values = refusal === null ? [] : [reasonOf(refusal, recording)];
  if (refused === null) {
    return refusal === null ? null : { place, what: 'start', expected: 'accepted', actual: refusal };
  }
  if (refusal !== null && refused.reason.accepts(values)) return null;
  const actual = refusal === null ? 'accepted' : describe(values);
  return { place: refused.place, what: 'refusal', expected: refused.reason.wanted, actual };
}

/** What the module gave as its reason; without one what the host says. */
function reasonOf(refusal: string, recording: Recording): string {
  return /^refused (its configuration|to start): (.*)$/s.exec(refusal)?.[2] ?? recording.trap ?? refusal;
}

/** Does a step, or for null nothing, and takes what was written down since the step before. */
async function happens(session: TrialSession, recording: Recording, step: Step | null): Promise<Happened> {
  let passed: Passed = NOTHING;
  let ticked = false;
  if (step !== null) {
    recording.begin(step.properties);
    session.upstreams.answers = step.answers;
    session.clock = step.time;
    if (step.kind === 'exchange') passed = await session.exchange(step.request, step.response);
    else if (step.kind === 'connection') passed = await session.connection(step.request, step.response);
    else for (let i = 0; i < step.ticks; i++) ticked = await session.tick();
  }
  const { request, response, local } = passed;
  return {
    request: request === null ? null : asText(request),
    response: response === null ? null : { status: response.status, ...asText(response) },
    local: local !== null,
    held: passed.held,
    ticked,
    trap: recording.trap,
    logs: recording.logs,
    calls: recording.calls,
    actions: recording.actions,
    metrics: new Map(session.metrics.map(({ name, value }) => [name, Number(value)])),
    properties: [...recording.asked],
  };
}

function named(step: string, mismatch: Mismatch | null): (Mismatch & { readonly step: string })[] {
  return mismatch === null ? [] : [{ ...mismatch, step }];
}
