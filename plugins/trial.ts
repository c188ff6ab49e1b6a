// Whether a module takes a configuration: it is started, in the proxies' own host and with their budgets, before any proxy runs it.

import { DEFAULT_FUEL } from '../core/wasm/guest/fuel.ts';
import { DEFAULT_LIMITS } from '../core/wasm/guest/spec.ts';
import type { CheckedModule } from '../core/wasm/trial/check.ts';
import { type PluginKind, tryPlugin } from '../core/wasm/trial/trial.ts';
import { type Configuration, configurationBytes } from './configuration.ts';
import { StepFailed } from './step.ts';

export interface TrialOptions {
  readonly name: string;
  readonly digest: string;
  readonly rootId: string;
  readonly kind: PluginKind | undefined;
  readonly configuration: Configuration | undefined;
}

/** Throws StepFailed (trial, refused): the reason in one line. A request goes through it, too, but what it makes of it is its own affair. */
export async function trial({ description, module }: CheckedModule, options: TrialOptions): Promise<void> {
  if (module === null) throw new StepFailed('check', 'refused', description.refusal ?? 'it cannot run');
  const { refusal, logs } = await tryPlugin({
    kind: options.kind ?? description.kind ?? 'http',
    request: { method: 'GET', authority: 'trial', path: '/', scheme: 'http', headers: [], body: Buffer.alloc(0) },
    response: { status: 200, headers: [], body: Buffer.alloc(0) },
    properties: new Map(),
    upstreams: new Map(),
    fuel: DEFAULT_FUEL,
    spec: {
      name: options.name,
      digest: options.digest,
      module,
      builtin: null,
      rootId: options.rootId,
      vmId: '',
      vmConfiguration: new Uint8Array(0),
      configuration: configurationBytes(options.configuration),
      env: {},
      failStrategy: 'FAIL_CLOSE',
      isolation: 'inline',
      limits: DEFAULT_LIMITS,
      mayCall: null,
      capabilities: null,
      proven: false,
    },
  });
  if (refusal === null) return;
  // Why is only in what it logged.
  const said = logs.findLast(({ level }) => level === 'error' || level === 'critical' || level === 'warn');
  throw new StepFailed('trial', 'refused', said === undefined ? refusal : `${refusal} ("${said.message}")`);
}
