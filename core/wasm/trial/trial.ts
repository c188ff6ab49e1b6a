// Tries a plugin out: one exchange, connection or start through the host and the chain that proxies have, with the other
// ends given beforehand and everything that the guest does written down. Needs no mesh and opens no socket.

import type { FuelBudget } from '../guest/fuel.ts';
import type { PluginSpec } from '../guest/spec.ts';
import { type RecordedAction, type RecordedCall, type RecordedLog, Recording } from './recording.ts';
import type { TrialRequest, TrialResponse } from './trial-exchange.ts';
import { NOTHING, type Passed, type TrialMetric, TrialSession } from './trial-session.ts';
import { type TrialAnswer, TrialUpstreams } from './trial-upstreams.ts';

export type PluginKind = 'http' | 'network' | 'service';

export interface TrialInput {
  readonly spec: PluginSpec;
  readonly kind: PluginKind;
  /** Of a connection only the bodies count: what client and upstream send. */
  readonly request: TrialRequest;
  readonly response: TrialResponse;
  /** Properties that are answered by these bytes, by path with dots. */
  readonly properties: ReadonlyMap<string, Uint8Array>;
  /** Services that the guest may call, by the name it calls them, and what each answers. */
  readonly upstreams: ReadonlyMap<string, TrialAnswer>;
  readonly fuel: FuelBudget;
}

export interface TrialOutcome extends Passed {
  /** Why it did not start, in one line; null: it did. */
  readonly refusal: string | null;
  /** Callback and reason; null: it did not trap. */
  readonly trap: string | null;
  readonly actions: readonly RecordedAction[];
  readonly logs: readonly RecordedLog[];
  /** What the host itself had to say about the guest. */
  readonly notes: readonly string[];
  readonly metrics: readonly TrialMetric[];
  readonly calls: readonly RecordedCall[];
  readonly properties: readonly string[];
  readonly memoryPages: number;
}

/** Rejects only when the host itself fails. */
export async function tryPlugin(input: TrialInput): Promise<TrialOutcome> {
  const recording = new Recording(input.properties);
  const session = new TrialSession(input.spec, input.fuel, recording, new TrialUpstreams(input.upstreams));
  try {
    const passed = session.refusal === null ? await passThrough(session, input) : NOTHING;
    return {
      refusal: session.refusal,
      trap: recording.trap,
      actions: recording.actions,
      ...passed,
      logs: recording.logs,
      notes: [...session.notes.filter((note) => !note.includes(': trapped in ')), ...recording.left()],
      metrics: session.metrics,
      calls: recording.calls,
      properties: [...recording.asked],
      memoryPages: session.memoryPages,
    };
  } finally {
    session.stop();
  }
}

async function passThrough(session: TrialSession, { kind, request, response }: TrialInput): Promise<Passed> {
  if (kind === 'http') return session.exchange(request, response);
  if (kind === 'network') return session.connection(request, response);
  // A service lives by its timer: it comes once.
  await session.tick();
  return NOTHING;
}
