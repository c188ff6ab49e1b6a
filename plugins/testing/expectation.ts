// What a fixture expects of one step, as checks that each know their place: they are given what happened and say what is
// different.
import type { HostArgument } from '../../core/wasm/abi/observer.ts';
import type { RecordedAction, RecordedCall, RecordedLog } from '../../core/wasm/trial/recording.ts';
import type { TextMessage } from '../try.ts';
import { describe, type Matcher, matcher } from './matcher.ts';
import type { Place, Placed } from './placed.ts';

/** What one step came to. */
export interface Happened {
  readonly request: TextMessage | null;
  readonly response: ({ readonly status: number } & TextMessage) | null;
  /** The filter answered itself. */
  readonly local: boolean;
  readonly held: boolean;
  /** Its timer came. */
  readonly ticked: boolean;
  readonly trap: string | null;
  readonly logs: readonly RecordedLog[];
  readonly calls: readonly RecordedCall[];
  readonly actions: readonly RecordedAction[];
  readonly metrics: ReadonlyMap<string, number>;
  /** Paths that were asked for. */
  readonly properties: readonly string[];
}

export interface Mismatch {
  readonly place: Place;
  /** 'response header x-team' */
  readonly what: string;
  /** Texts of one or several lines. */
  readonly expected: string;
  readonly actual: string;
}

export type Check = (happened: Happened) => Mismatch | null;

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'critical'] as const;
const PSEUDO = { method: ':method', path: ':path', authority: ':authority', scheme: ':scheme' } as const;

/** Checks of a step. That it does not trap is one unless a trap is expected. */
export function checksOf(from: Placed | undefined, place: Place): Check[] {
  const { request, response, connection, local, held, trap, logs, calls, actions, metrics, properties } =
    from?.fields('what is expected', [
      'request',
      'response',
      'connection',
      'local',
      'held',
      'trap',
      'logs',
      'calls',
      'actions',
      'metrics',
      'properties',
    ]) ?? {};
  const checks: Check[] = [trap === undefined ? noTrap(place) : text(trap, 'trap', ({ trap: reason }) => list(reason))];
  if (request !== undefined) checks.push(...requestChecks(request));
  if (response !== undefined) checks.push(...responseChecks(response));
  if (connection !== undefined) checks.push(...connectionChecks(connection));
  if (local !== undefined) checks.push(flag(local, 'answered by the filter itself', (happened) => happened.local));
  if (held !== undefined) checks.push(flag(held, 'held by the filter at the end', (happened) => happened.held));
  return [...checks, ...sideChecks({ logs, calls, actions, metrics, properties })];
}

/** What is expected of starting and configuring, where there is no traffic yet. */
export function startChecks(from: Placed): Check[] {
  return sideChecks(from.fields('what is expected of the start', ['logs', 'calls', 'metrics', 'properties']));
}

function sideChecks(from: Partial<Record<'logs' | 'calls' | 'actions' | 'metrics' | 'properties', Placed>>): Check[] {
  const checks: Check[] = [];
  if (from.logs !== undefined) checks.push(logCheck(from.logs));
  if (from.calls !== undefined) checks.push(callCheck(from.calls));
  if (from.actions !== undefined) checks.push(actionCheck(from.actions));
  for (const [name, value] of from.metrics?.entries('metrics') ?? []) {
    checks.push(text(value, `metric ${name}`, ({ metrics }) => list(metrics.get(name))));
  }
  if (from.properties !== undefined) {
    const wanted = from.properties.items('properties').map((item) => item.text('a property'));
    checks.push(inOrder(from.properties.place, 'properties asked for', wanted, (happened) => happened.properties));
  }
  return checks;
}

function requestChecks(from: Placed): Check[] {
  const fields = from.fields('the request', [
    'sent',
    'method',
    'path',
    'authority',
    'scheme',
    'headers',
    'body',
    'trailers',
  ]);
  const checks: Check[] = [];
  if (fields.sent !== undefined) {
    checks.push(flag(fields.sent, 'request sent on', (happened) => happened.request !== null && !happened.local));
  }
  for (const [name, header] of Object.entries(PSEUDO)) {
    const value = fields[name as keyof typeof PSEUDO];
    if (value !== undefined) checks.push(text(value, `request ${name}`, ({ request }) => valuesOf(request, header)));
  }
  checks.push(...headerChecks(fields.headers, 'request', ({ request }) => request));
  if (fields.body !== undefined) {
    checks.push(text(fields.body, 'request body', ({ request }) => list(request?.body)));
  }
  checks.push(...trailerChecks(fields.trailers, 'request', ({ request }) => request));
  return checks;
}

function responseChecks(from: Placed): Check[] {
  const { status, headers, body, trailers } = from.fields('the response', ['status', 'headers', 'body', 'trailers']);
  const checks: Check[] = [];
  if (status !== undefined) {
    checks.push(text(status, 'response status', ({ response }) => list(response?.status)));
  }
  checks.push(...headerChecks(headers, 'response', ({ response }) => response));
  if (body !== undefined) checks.push(text(body, 'response body', ({ response }) => list(response?.body)));
  checks.push(...trailerChecks(trailers, 'response', ({ response }) => response));
  return checks;
}

function connectionChecks(from: Placed): Check[] {
  const { upstream, client } = from.fields('the connection', ['upstream', 'client']);
  const checks: Check[] = [];
  if (upstream !== undefined) {
    checks.push(text(upstream, 'bytes to the upstream', ({ request }) => list(request?.body)));
  }
  if (client !== undefined) {
    checks.push(text(client, 'bytes to the client', ({ response }) => list(response?.body)));
  }
  return checks;
}

function headerChecks(
  from: Placed | undefined,
  which: string,
  message: (happened: Happened) => TextMessage | null,
): Check[] {
  return (from?.entries('headers') ?? []).map(([name, value]) =>
    text(value, `${which} header ${name}`, (happened) => valuesOf(message(happened), name.toLowerCase())),
  );
}

function trailerChecks(
  from: Placed | undefined,
  which: string,
  message: (happened: Happened) => TextMessage | null,
): Check[] {
  return (from?.entries('trailers') ?? []).map(([name, value]) =>
    text(value, `${which} trailer ${name}`, (happened) => {
      const trailers = message(happened)?.trailers ?? [];
      return trailers.filter(([own]) => own === name.toLowerCase()).map(([, one]) => one);
    }),
  );
}

function text(from: Placed, what: string, read: (happened: Happened) => readonly string[]): Check {
  const wanted = matcher(from, what);
  return (happened) => {
    const values = read(happened);
    if (wanted.accepts(values)) return null;
    return { place: from.place, what, expected: wanted.wanted, actual: describe(values) };
  };
}

function flag(from: Placed, what: string, read: (happened: Happened) => boolean): Check {
  const wanted = from.flag(what);
  return (happened) => {
    const actual = read(happened);
    return actual === wanted ? null : { place: from.place, what, expected: `${wanted}`, actual: `${actual}` };
  };
}

function noTrap(place: Place): Check {
  return ({ trap }) => (trap === null ? null : { place, what: 'trap', expected: 'none', actual: trap });
}

/** `- info: TEXT`, in this order, others may stand between; an empty list: nothing is logged. */
function logCheck(from: Placed): Check {
  const wanted = from.items('logs').flatMap((item) =>
    Object.entries(item.fields('a log message', LEVELS)).map(([level, value]) => ({
      level,
      message: matcher(value as Placed, 'a log message'),
    })),
  );
  return sequence(
    from.place,
    'logs',
    wanted.map(({ level, message }) => ({
      wanted: `${level}: ${message.wanted}`,
      accepts: (log: RecordedLog) => log.level === level && message.accepts([log.message]),
    })),
    ({ logs }) => logs,
    ({ level, message }) => `${level}: ${JSON.stringify(message)}`,
  );
}

/** `- proxy_log` or `- proxy_log: [2, hello]`, in this order; an empty list: nothing is called. */
function callCheck(from: Placed): Check {
  const wanted = from.items('calls').flatMap((item): { name: string; args: readonly Argument[] | null }[] => {
    if (item.isText) return [{ name: item.text('a call'), args: null }];
    return item.entries('a call').map(([name, value]) => ({
      name,
      args: value.items('the arguments of a call').map((arg) => argument(arg)),
    }));
  });
  return sequence(
    from.place,
    'host calls',
    wanted.map(({ name, args }) => ({
      wanted: args === null ? name : `${name}(${args.map((arg) => arg.wanted).join(', ')})`,
      accepts: (call: RecordedCall) =>
        call.name === name && (args?.every((arg, at) => arg.accepts(call.args[at])) ?? true),
    })),
    ({ calls }) => calls,
    ({ name, args }) => `${name}(${args.map((arg) => JSON.stringify(arg)).join(', ')})`,
  );
}

interface Argument {
  readonly wanted: string;
  accepts(arg: HostArgument | undefined): boolean;
}

function argument(from: Placed): Argument {
  if (from.isList) {
    const wanted = JSON.stringify(from.plain());
    return { wanted, accepts: (arg) => JSON.stringify(arg) === wanted };
  }
  const wanted: Matcher = matcher(from, 'an argument');
  return {
    wanted: wanted.wanted,
    accepts: (arg) =>
      wanted.accepts(arg === undefined ? [] : [typeof arg === 'object' ? JSON.stringify(arg) : `${arg}`]),
  };
}

/** `- proxy_on_request_headers: pause`, in this order. */
function actionCheck(from: Placed): Check {
  const wanted = from
    .items('actions')
    .flatMap((item) => item.entries('an action').map(([name, value]) => `${name}: ${value.text('an action')}`));
  return inOrder(from.place, 'actions', wanted, ({ actions }) =>
    actions.map(({ callback, action }) => `${callback}: ${action}`),
  );
}

function inOrder(
  place: Place,
  what: string,
  wanted: readonly string[],
  read: (happened: Happened) => readonly string[],
): Check {
  const exact = wanted.map((one) => ({ wanted: one, accepts: (value: string) => value === one }));
  return sequence(place, what, exact, read, (value) => value);
}

function sequence<T>(
  place: Place,
  what: string,
  wanted: readonly { readonly wanted: string; accepts(one: T): boolean }[],
  read: (happened: Happened) => readonly T[],
  describeOne: (one: T) => string,
): Check {
  return (happened) => {
    const actual = read(happened);
    let at = 0;
    for (const one of actual) if (at < wanted.length && wanted[at].accepts(one)) at++;
    if (wanted.length === 0 ? actual.length === 0 : at === wanted.length) return null;
    const lines = (all: readonly string[]): string => (all.length === 0 ? 'none' : all.join('\n'));
    const expected = lines(wanted.map((one) => one.wanted));
    return { place, what, expected, actual: lines(actual.map(describeOne)) };
  };
}

function valuesOf(message: TextMessage | null, name: string): string[] {
  return message === null ? [] : message.headers.filter(([own]) => own === name).map(([, value]) => value);
}

function list(value: string | number | null | undefined): string[] {
  return value === null || value === undefined ? [] : [String(value)];
}
