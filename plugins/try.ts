// Tries any proxy-wasm module: checks and meters it, sends one exchange through it in the proxies' own host, and reports
// what it did. Needs no mesh.
import { createHash } from 'node:crypto';
import { DEFAULT_LIMITS } from '../core/wasm/guest/spec.ts';
import { checkPlugin, type PluginDescription } from '../core/wasm/trial/check.ts';
import type { RecordedAction, RecordedCall, RecordedLog } from '../core/wasm/trial/recording.ts';
import { type PluginKind, type TrialOutcome, tryPlugin } from '../core/wasm/trial/trial.ts';
import type { TrialRequest, TrialResponse } from '../core/wasm/trial/trial-exchange.ts';
import type { TrialMessage } from '../core/wasm/trial/trial-session.ts';
import type { TrialAnswer } from '../core/wasm/trial/trial-upstreams.ts';

export interface TryOptions {
  /** As logs and properties name it. */
  readonly name: string;
  readonly rootId: string;
  /** Its virtual machine, as it and its queues know it. */
  readonly vmId: string;
  /** Undefined: by its callbacks. */
  readonly kind: PluginKind | undefined;
  readonly configuration: Uint8Array;
  readonly vmConfiguration: Uint8Array;
  /** Header names are lower-case, values latin1, one char a byte. */
  readonly request: TrialRequest;
  readonly response: TrialResponse;
  /** By path with dots. */
  readonly properties: ReadonlyMap<string, Uint8Array>;
  /** What services answer that it calls, by the name it calls them. */
  readonly upstreams: ReadonlyMap<string, TrialAnswer>;
}

export interface TextMessage {
  readonly headers: readonly (readonly [string, string])[];
  /** UTF-8, or one char a byte when the bytes are none. */
  readonly body: string;
  /** Left out: none. */
  readonly trailers?: readonly (readonly [string, string])[];
}

/** What `mesh plugin try --json` prints. */
export interface TryReport {
  readonly accepted: boolean;
  readonly refusal: string | null;
  readonly abi: string | null;
  readonly trap: string | null;
  readonly actions: readonly RecordedAction[];
  readonly request: TextMessage | null;
  readonly response: ({ readonly status: number } & TextMessage) | null;
  readonly local: ({ readonly status: number } & TextMessage) | null;
  readonly logs: readonly RecordedLog[];
  readonly metrics: readonly { readonly name: string; readonly type: string; readonly value: number }[];
  readonly calls: readonly RecordedCall[];
  readonly properties: readonly string[];
  readonly memoryPages: number;
}

export interface Trial {
  readonly report: TryReport;
  /** Null when it was refused before it could run. */
  readonly kind: PluginKind | null;
  /** What else it may be, when it trapped as what it was taken for. */
  readonly others: readonly PluginKind[];
  /** Still held by the filter at the end. */
  readonly held: boolean;
  readonly notes: readonly string[];
}

/** A third of a second and more, on any machine: here nobody waits behind it. */
export const TRIAL_FUEL = { start: 2_000_000_000, callback: 500_000_000, stream: 2_000_000_000, second: 2_000_000_000 };

/** Any bytes; rejects only when the host itself fails. */
export async function tryModule(bytes: Uint8Array, options: TryOptions): Promise<Trial> {
  const { description, module } = checkPlugin(bytes);
  if (module === null) return { report: refused(description), kind: null, others: [], held: false, notes: [] };
  const kind = options.kind ?? description.kind ?? 'http';
  const outcome = await tryPlugin({
    kind,
    request: options.request,
    response: options.response,
    properties: options.properties,
    upstreams: options.upstreams,
    fuel: TRIAL_FUEL,
    spec: {
      name: options.name,
      digest: createHash('sha256').update(bytes).digest('hex'),
      module,
      builtin: null,
      rootId: options.rootId,
      vmId: options.vmId,
      vmConfiguration: options.vmConfiguration,
      configuration: options.configuration,
      env: {},
      failStrategy: 'FAIL_CLOSE',
      limits: DEFAULT_LIMITS,
      isolation: 'inline',
      mayCall: null,
      capabilities: null,
      proven: false,
    },
  });
  const trapped = options.kind === undefined && (outcome.trap !== null || outcome.refusal !== null);
  const others = trapped ? description.kinds.filter((other) => other !== kind) : [];
  return { report: reported(outcome, description), kind, others, held: outcome.held, notes: outcome.notes };
}

function refused(description: {
  readonly refusal: string | null;
  readonly abi: string | null;
  readonly memoryPages: number;
}): TryReport {
  return {
    accepted: false,
    refusal: description.refusal,
    abi: description.abi,
    trap: null,
    actions: [],
    request: null,
    response: null,
    local: null,
    logs: [],
    metrics: [],
    calls: [],
    properties: [],
    memoryPages: description.memoryPages,
  };
}

function reported(outcome: TrialOutcome, { abi, memoryPages }: PluginDescription): TryReport {
  const answer = (message: TrialOutcome['response']): TryReport['response'] =>
    message === null ? null : { status: message.status, ...asText(message) };
  return {
    accepted: outcome.refusal === null,
    refusal: outcome.refusal,
    abi,
    trap: outcome.trap,
    actions: outcome.actions,
    request: outcome.request === null ? null : asText(outcome.request),
    response: answer(outcome.response),
    local: answer(outcome.local),
    logs: outcome.logs,
    metrics: outcome.metrics.map((metric) => ({ ...metric, value: Number(metric.value) })),
    calls: outcome.calls.map(({ name, args }) => ({
      name,
      args: args.map((arg) => (typeof arg === 'object' ? arg.map(([key, value]) => [key, utf8(value)] as const) : arg)),
    })),
    properties: outcome.properties,
    memoryPages: outcome.memoryPages || memoryPages,
  };
}

export function asText({ headers, body, trailers = [] }: TrialMessage): TextMessage {
  const read = (pairs: TrialMessage['headers']) => pairs.map(([name, value]) => [name, utf8(value)] as const);
  return {
    headers: read(headers),
    body: utf8(body.toString('latin1')),
    ...(trailers.length === 0 ? {} : { trailers: read(trailers) }),
  };
}

/** Latin1 as the UTF-8 that it is; bytes that are none stay a char each. */
function utf8(latin1: string): string {
  if (!/[\x80-\xff]/.test(latin1)) return latin1;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(latin1, 'latin1'));
  } catch (error) {
    if (error instanceof TypeError) return latin1;
    throw error;
  }
}
