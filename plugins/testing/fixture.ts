// A fixture: tests of one plugin in YAML, one a document. Unknown keys are refused; every problem has its place.
//
//   name: a request without a tenant is refused      and instead of a request: connection, or tick
//   config: { header: x-tenant }                     started: what is expected of the start, or refused: TEXT
//   request: { path: /, headers: { accept: '*/*' } } steps: [...] several of request/response/.../expect on one instance
//   response: { status: 200, body: hello }           properties, answers, time: also for all steps
//   expect: { response: { status: 400 } }
import { FRAMING } from '../../core/wasm/abi/header-map.ts';
import type { Pair } from '../../core/wasm/abi/pairs.ts';
import type { TrialRequest, TrialResponse } from '../../core/wasm/trial/trial-exchange.ts';
import type { TrialAnswer } from '../../core/wasm/trial/trial-upstreams.ts';
import { propertyValue } from '../property-value.ts';
import { type Check, checksOf, startChecks } from './expectation.ts';
import { type Matcher, matcher } from './matcher.ts';
import { type Place, type Placed, type Problem, readPlaced } from './placed.ts';

export interface Step {
  /** '' for the only one. */
  readonly name: string;
  readonly place: Place;
  readonly kind: 'exchange' | 'connection' | 'tick';
  /** How often the timer comes. */
  readonly ticks: number;
  readonly request: TrialRequest;
  readonly response: TrialResponse;
  readonly properties: ReadonlyMap<string, Uint8Array>;
  readonly answers: ReadonlyMap<string, TrialAnswer>;
  /** Milliseconds since the epoch; null: the present. */
  readonly time: number | null;
  readonly checks: readonly Check[];
}

export interface TestCase {
  readonly name: string;
  readonly place: Place;
  /** Undefined: the manifest's default. A text is handed over as it is, everything else as JSON. */
  readonly configuration: { readonly place: Place; readonly value: unknown } | undefined;
  readonly vmConfiguration: string;
  readonly rootId: string | undefined;
  readonly refused: { readonly place: Place; readonly reason: Matcher } | null;
  readonly started: readonly Check[];
  readonly steps: readonly Step[];
}

const OF_STEP = ['request', 'response', 'connection', 'tick', 'expect'] as const;
const OF_BOTH = ['name', 'properties', 'answers', 'time'] as const;
const OF_TEST = ['config', 'vmConfig', 'rootId', 'started', 'refused', 'steps'] as const;
const RESPONSE = ['status', 'headers', 'body', 'trailers'] as const;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const TARGET = /^(\/[\x21-\x7e\x80-\uffff]*|\*)$/;
const MOST_TICKS = 1000;

type Fields = Partial<Record<(typeof OF_STEP)[number] | (typeof OF_BOTH)[number], Placed>>;

/** What a step has from its test, unless it says otherwise. */
type Surroundings = Pick<Step, 'properties' | 'answers' | 'time'>;

/** The tests of a file; what is wrong with it goes to `problems`. */
export function readFixture(file: string, text: string, problems: Problem[]): TestCase[] {
  const documents = readPlaced(file, text, problems);
  if (documents.length === 0 && !problems.some((problem) => problem.file === file)) {
    problems.push({ file, line: 1, column: 1, message: 'there is no test in it' });
  }
  const tests = documents.map(testCase);
  problems.sort((a, b) => (a.file === b.file ? a.line - b.line || a.column - b.column : 0));
  return tests;
}

function testCase(from: Placed): TestCase {
  const fields = from.fields('a test', [...OF_BOTH, ...OF_TEST, ...OF_STEP]);
  if (from.isMap && fields.name === undefined) from.refuse('a test has a name');
  const surroundings = surroundingsOf(fields, { properties: new Map(), answers: new Map(), time: null });
  const { config, started, refused } = fields;
  const test = {
    name: fields.name?.text('a name') ?? '',
    place: from.place,
    configuration: config === undefined ? undefined : { place: config.place, value: config.plain() },
    vmConfiguration: fields.vmConfig?.text('vmConfig') ?? '',
    rootId: fields.rootId?.text('rootId'),
    refused: refused === undefined ? null : { place: refused.place, reason: matcher(refused, 'refused') },
    started: started === undefined ? [] : startChecks(started),
  };
  return { ...test, steps: stepsOf(from, fields, surroundings) };
}

function stepsOf(
  from: Placed,
  fields: Fields & Partial<Record<(typeof OF_TEST)[number], Placed>>,
  surroundings: Surroundings,
): Step[] {
  const own = OF_STEP.filter((key) => fields[key] !== undefined);
  if (fields.refused !== undefined) {
    for (const key of [...own, 'steps'] as const) fields[key]?.refuse(`what is refused has no "${key}": it never runs`);
    return [];
  }
  if (fields.steps !== undefined) {
    for (const key of own) fields[key]?.refuse(`"${key}" belongs to one of the steps`);
    return fields.steps.items('steps').map((item) => {
      const own = item.fields('a step', [...OF_BOTH, ...OF_STEP]);
      return step(item, own.name?.text('a name') ?? '', own, surroundingsOf(own, surroundings));
    });
  }
  if (own.length === 0 && fields.started !== undefined) return [];
  return from.isMap ? [step(from, '', fields, surroundings)] : [];
}

function step(from: Placed, name: string, fields: Fields, surroundings: Surroundings): Step {
  const { request, response, connection, tick, expect } = fields;
  const ways = [request ?? response, connection, tick].filter((one) => one !== undefined);
  if (ways.length !== 1 && from.isMap) {
    from.refuse('one of request, connection or tick is needed: what is done');
  }
  if (expect === undefined && from.isMap) from.refuse('"expect" is missing: what should come of it');
  const bytes = connection?.fields('a connection', ['client', 'upstream']);
  const body = (side: Placed | undefined, what: string): Buffer => Buffer.from(side?.text(what) ?? '');
  return {
    name,
    place: from.place,
    kind: connection !== undefined ? 'connection' : tick !== undefined ? 'tick' : 'exchange',
    ticks: tick === undefined ? 0 : tickCount(tick),
    request: bytes === undefined ? requestOf(request) : { ...requestOf(undefined), body: body(bytes.client, 'client') },
    response:
      bytes === undefined ? responseOf(response) : { ...responseOf(undefined), body: body(bytes.upstream, 'upstream') },
    ...surroundings,
    checks: checksOf(expect, from.place),
  };
}

/** `tick: true` is once. */
function tickCount(from: Placed): number {
  return from.plain() === true ? 1 : from.integer('tick', 1, MOST_TICKS);
}

function requestOf(from: Placed | undefined): TrialRequest {
  const fields = from?.fields('a request', ['method', 'authority', 'path', 'scheme', 'headers', 'body', 'trailers']);
  const body = Buffer.from(fields?.body?.text('a body') ?? '');
  const authority = fields?.authority?.text('authority') ?? 'localhost';
  const method = fields?.method?.text('a method') ?? (body.length > 0 ? 'POST' : 'GET');
  const path = fields?.path?.text('a path') ?? '/';
  const scheme = fields?.scheme?.text('a scheme') ?? 'http';
  if (!TOKEN.test(method)) fields?.method?.refuse('a method is a word, such as POST');
  if (!TARGET.test(path)) fields?.path?.refuse('a path begins with / and has no spaces');
  if (scheme !== 'http' && scheme !== 'https') fields?.scheme?.refuse('a scheme is http or https');
  return {
    method,
    authority,
    path: latin1(path),
    scheme: scheme === 'https' ? 'https' : 'http',
    headers: headersOf(fields?.headers),
    body,
    ...trailersOf(fields?.trailers),
  };
}

function responseOf(from: Placed | undefined): TrialResponse {
  return responseFrom(from?.fields('a response', RESPONSE));
}

function responseFrom(fields: Partial<Record<(typeof RESPONSE)[number], Placed>> | undefined): TrialResponse {
  return {
    status: fields?.status?.integer('a status', 200, 599) ?? 200,
    headers: headersOf(fields?.headers),
    body: Buffer.from(fields?.body?.text('a body') ?? ''),
    ...trailersOf(fields?.trailers),
  };
}

/** Without any the message ends with its body. */
function trailersOf(from: Placed | undefined): { readonly trailers?: readonly Pair[] } {
  return from === undefined ? {} : { trailers: headersOf(from) };
}

/** Names to texts, or to lists of texts for a name that occurs several times. */
function headersOf(from: Placed | undefined): Pair[] {
  const headers: Pair[] = [];
  for (const [written, value] of from?.entries('headers') ?? []) {
    const name = written.toLowerCase();
    if (FRAMING.has(name)) value.refuse(`"${name}" belongs to the codec: it follows from the body`);
    else if (name === 'host') value.refuse('"host" is the authority of a request');
    else if (!TOKEN.test(name)) value.refuse(`"${written}" is no name of a header`);
    for (const one of value.isList ? value.items('headers') : [value]) {
      const text = one.text(`header ${name}`);
      if (/[^\t\x20-\x7e\x80-\uffff]/.test(text)) one.refuse('a header’s value has no control characters');
      headers.push([name, latin1(text)]);
    }
  }
  return headers;
}

function surroundingsOf(fields: Fields, outer: Surroundings): Surroundings {
  const properties = new Map(outer.properties);
  for (const [path, value] of fields.properties?.entries('properties') ?? []) {
    try {
      properties.set(path, propertyValue(path, value.text(path)));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      value.refuse(error.message);
    }
  }
  const answers = new Map(outer.answers);
  for (const [name, value] of fields.answers?.entries('answers') ?? []) answers.set(name, answerOf(value));
  return { properties, answers, time: fields.time === undefined ? outer.time : timeOf(fields.time) };
}

/** `{ status, headers, body, trailers }`, or `{ failure: timeout }`. */
function answerOf(from: Placed): TrialAnswer {
  const { failure, ...rest } = from.fields('an answer', [...RESPONSE, 'failure']);
  if (failure === undefined) return responseFrom(rest);
  if (Object.keys(rest).length > 0) failure.refuse('a failure has no status, headers, body or trailers');
  return { failure: failure.text('a failure') };
}

function timeOf(from: Placed): number {
  const time = Date.parse(from.text('time'));
  if (Number.isNaN(time)) from.refuse('a time is written as 2026-01-31T12:00:00Z');
  return Number.isNaN(time) ? 0 : time;
}

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}
