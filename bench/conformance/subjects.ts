// What is compared: filters that use nothing but the standard's functions, and the requests that they are shown.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFilter } from '../../asbuild/compile.ts';
import { filtersIn } from '../filter-files.ts';

const ROOT = join(import.meta.dirname, '../..');

/** One request, and what the upstream answers to it. */
export interface Case {
  readonly name: string;
  readonly method?: string;
  readonly path?: string;
  /** A name may come several times. */
  readonly headers?: readonly (readonly [string, string])[];
  /** Sent in these pieces. */
  readonly body?: readonly string[];
  readonly trailers?: Readonly<Record<string, string>>;
  readonly answer?: Answer;
  /** What services that the filter calls answer. */
  readonly called?: Answer;
  /** Why the hosts are not to do the same here. */
  readonly differs?: string;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: readonly string[];
  readonly trailers?: Readonly<Record<string, string>>;
}

/** A filter with its configuration. */
export interface Subject {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** network: in front of the codec, so that it sees bytes. */
  readonly type: 'http' | 'network';
  /** An object is handed over as JSON, a text as it is. */
  readonly configuration: object | string | null;
  readonly vmConfiguration: string;
  /** Names of services that it calls. */
  readonly clusters: readonly string[];
  readonly cases: readonly Case[];
  /** It is left alone for so long after the requests: what it does by itself is compared, each thing once. */
  readonly alone: number;
  /** Regular expressions: what of a log line is another each time. */
  readonly varies: readonly string[];
  /** Names of its metrics that are compared. */
  readonly metrics: readonly string[];
  /** Why what it logs, calls by itself or counts is not to be the same. */
  readonly differs: Readonly<Record<string, string>>;
}

/** Of a subject, what most say nothing of. */
export const PLAIN = {
  type: 'http',
  configuration: null,
  vmConfiguration: '',
  clusters: [],
  alone: 0,
  varies: [],
  metrics: [],
  differs: {},
} as const;

const JSON_TYPE = ['content-type', 'application/json'] as const;
const TEXT_TYPE = ['content-type', 'text/plain'] as const;
const SAY = (what: string): Pick<Case, 'headers'> => ({ headers: [['x-do', what]] });

const BEYOND_ASCII = 'bytes beyond ASCII';

/** For every filter: what any HTTP traffic may bring. */
export const ANY: readonly Case[] = [
  { name: 'GET', headers: [['user-agent', 'conformance']] },
  { name: 'GET without a user-agent', path: '/a/b?c=d%20e&f' },
  { name: 'HEAD', method: 'HEAD' },
  { name: 'POST in pieces', method: 'POST', body: ['one ', 'two ', 'three'] },
  { name: 'POST of nothing', method: 'POST', body: [] },
  { name: 'trailers', method: 'POST', body: ['x'], trailers: { 'x-end': '1' }, answer: { trailers: { 'x-sum': '2' } } },
  {
    name: 'repeated headers',
    headers: [
      ['user-agent', 'a'],
      ['x-twice', '1'],
      ['X-Twice', '2'],
      ['cookie', 'a=1'],
      ['accept', 'text/html, */*;q=0.1'],
    ],
    answer: {
      headers: [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['x-twice', '3'],
        ['x-twice', '4'],
      ],
    },
  },
  {
    name: BEYOND_ASCII,
    headers: [['user-agent', 'gr\u00fcn']],
    answer: { headers: [['x-name', '\u00e9t\u00e9']] },
  },
  {
    name: 'an empty header',
    headers: [
      ['user-agent', ''],
      ['x-empty', ''],
    ],
  },
  { name: '204', answer: { status: 204 } },
  { name: '304', answer: { status: 304, headers: [['etag', '"a"']] } },
  { name: '404', answer: { status: 404, headers: [TEXT_TYPE], body: ['nothing here'] } },
  { name: '503', answer: { status: 503, body: ['later'] } },
];

const PROTECTED: readonly Case[] = [
  {
    name: 'it tells what served it',
    answer: {
      headers: [
        ['server', 'nginx/1.22.1'],
        ['x-powered-by', 'Express'],
      ],
    },
  },
  { name: 'it says it itself', answer: { headers: [['x-frame-options', 'DENY']] } },
];

const SECRETS =
  '{"user":"alice","password" : "a\\"b","more":[{"secret":null}],"note":"4111111111111111","id":4111111111111111}';
const REDACTED: readonly Case[] = [
  { name: 'JSON', answer: { headers: [JSON_TYPE, ['etag', '"a"'], ['accept-ranges', 'bytes']], body: [SECRETS] } },
  {
    name: 'JSON in pieces',
    answer: { headers: [JSON_TYPE], body: [SECRETS.slice(0, 20), SECRETS.slice(20, 21), SECRETS.slice(21)] },
  },
  {
    name: 'text',
    answer: { headers: [TEXT_TYPE], body: ['paid with 5500-0055-5555-5559, ', 'order 4111111111111112'] },
  },
  { name: 'an image', answer: { headers: [['content-type', 'image/png']], body: [SECRETS] } },
  {
    name: 'compressed',
    headers: [['accept-encoding', 'gzip']],
    answer: { headers: [JSON_TYPE, ['content-encoding', 'gzip']], body: ['x'] },
  },
  {
    name: 'JSON and trailers',
    answer: { headers: [JSON_TYPE], body: [SECRETS.slice(0, 20), SECRETS.slice(20)], trailers: { 'x-sum': '2' } },
  },
  { name: 'nothing to redact', answer: { headers: [JSON_TYPE], body: ['{}'] } },
];

const IDENTIFIED: readonly Case[] = [{ name: 'an id', headers: [['x-request-id', 'alice.7f3a']] }];

const STANDARD: readonly Case[] = [
  { name: 'it answers', ...SAY('reply') },
  { name: 'it answers without a body', ...SAY('reply nothing') },
  { name: 'it answers a POST', method: 'POST', body: ['x'], ...SAY('reply') },
  { name: 'it answers at the body', method: 'POST', body: ['x', 'y'], ...SAY('reply body') },
  { name: 'it answers in place of the answer', answer: { headers: [['x-do', 'reply']], body: ['never seen'] } },
  { name: 'it answers with headers', ...SAY('reply headers') },
  { name: 'it moves', ...SAY('move') },
  {
    name: 'it writes over',
    headers: [
      ['x-do', 'write'],
      ['x-old', '1'],
      ['x-old', '2'],
      ['x-gone', '1'],
    ],
  },
  {
    name: 'it reads',
    headers: [
      ['x-do', 'read'],
      ['x-old', '1'],
      ['x-old', '2'],
      ['cookie', 'a=1; b=2'],
    ],
    differs:
      'weft gives a repeated header whole, joined by commas, where Envoy gives its first value and hides the others',
  },
  { name: 'it says', ...SAY('log') },
  { name: 'it holds the body', method: 'POST', body: ['one ', 'two'], ...SAY('hold') },
  { name: 'it changes each piece', method: 'POST', body: ['one'], ...SAY('piece') },
  { name: 'it changes trailers', method: 'POST', body: ['x'], trailers: { 'x-end': '1' }, ...SAY('trailers') },
  {
    name: 'it changes the answer',
    answer: {
      status: 201,
      headers: [
        ['x-do', 'write'],
        ['x-old', '1'],
        ['x-gone', '1'],
        ['x-gone', '2'],
      ],
      body: ['x'],
    },
  },
  { name: 'it changes the answer\u2019s status', answer: { headers: [['x-do', 'status']], body: ['x'] } },
  { name: 'it holds the answer', answer: { headers: [['x-do', 'hold']], body: ['one ', 'two'] } },
  { name: 'properties', ...SAY('properties') },
];

/**
 * All, compiled. With the toolchains at hand also the benchmark's filters of the public Rust and Go SDKs; `say` is told of those that
 * are not. `folder` is the run's own.
 */
export async function subjects(folder: string, say: (line: string) => void): Promise<Subject[]> {
  const file = filtersIn(folder);
  const foreign = ['wasm-rust', 'wasm-go'] as const;
  // At a header that is no UTF-8 the Rust SDK panics, in every host.
  const casesOf = { 'wasm-rust': ANY.filter(({ name }) => name !== BEYOND_ASCII), 'wasm-go': ANY };
  const built = await Promise.allSettled(foreign.map(file));
  const others = built.flatMap((result, i): Subject[] => {
    if (result.status === 'fulfilled') {
      const [name, bytes] = [foreign[i], readFileSync(result.value)];
      return [{ ...PLAIN, name, bytes, cases: casesOf[name] }];
    }
    say(`${foreign[i]} is left out: ${(result.reason as Error).message}`);
    return [];
  });
  return [...(await ours()), ...others];
}

function ours(): Promise<Subject[]> {
  return Promise.all([
    subject('example', 'filters/sdk/example/index.ts', null, ANY),
    subject('standard', 'filters/sdk/fixtures/standard.ts', null, [...ANY, ...STANDARD]),
    plugin('security-headers', PROTECTED),
    plugin('redact-body', REDACTED),
    plugin('request-id-from-claim', IDENTIFIED),
  ]);
}

function plugin(name: string, own: readonly Case[]): Promise<Subject> {
  const folder = `examples/plugins/${name}`;
  const { mesh } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as {
    mesh: { plugin: { defaultConfig: object } };
  };
  return subject(name, `${folder}/filter.ts`, mesh.plugin.defaultConfig, [...ANY, ...own]);
}

async function subject(
  name: string,
  file: string,
  configuration: object | null,
  cases: readonly Case[],
): Promise<Subject> {
  return { ...PLAIN, name, bytes: await compileFilter({ name, entry: join(ROOT, file) }), configuration, cases };
}
