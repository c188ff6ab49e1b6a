import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { type ASUtil, instantiateSync } from '@assemblyscript/loader';

import { compileModule } from '../../asbuild/compile.ts';

const RBAC = join(import.meta.dirname, '../../filters/rbac');

const TEXT = `
import { utf8 } from '../sdk/slice';
import { beginCallback } from '../sdk/arena';
import { matchesTemplate } from './templates';
import { parseAddress } from './addresses';
export function matches(template: string, path: string): bool {
  beginCallback();
  return matchesTemplate(utf8(template), utf8(path));
}
/** The address in hexadecimal digits, or '' when it is none. */
export function address(text: string): string {
  beginCallback();
  const bytes = parseAddress(utf8(text));
  let digits = '';
  for (let i = 0; i < bytes.length; i++) digits += (<u32>bytes.at(i) | 0x100).toString(16).slice(1);
  return digits;
}`;

interface Filter extends Record<string, unknown> {
  matches(template: number, path: number): number;
  address(text: number): number;
  _initialize(): void;
}

const bytes = await compileModule(RBAC, TEXT, ['--runtime', 'minimal', '--exportRuntime']);
const { exports } = instantiateSync<ASUtil & Filter>(bytes, {
  env: { abort: () => assert.fail('the module aborted') },
});
exports._initialize();

const matches = (template: string, path: string): boolean =>
  exports.matches(exports.__newString(template), exports.__newString(path)) !== 0;

const address = (text: string): string => exports.__getString(exports.address(exports.__newString(text)));

/** The same question put to a regular expression. */
function expected(template: string, path: string): boolean {
  const source = template
    .replaceAll(/[\\^$.*+?()[\]|{}]/g, '\\$&')
    .replaceAll('\\{\\*\\*\\}', '.*')
    .replaceAll('\\{\\*\\}', '[^/]+');
  return new RegExp(`^${source}$`).test(path);
}

test('path templates match what the regular expression that they stand for matches', () => {
  // A small generator of our own: the same templates and paths on every run.
  let state = 42;
  const below = (bound: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % bound;
  };
  const pieces = ['a', 'b', 'ab', 'x'];
  const segment = (): string => pieces[below(pieces.length)];
  let agreed = 0;
  for (let i = 0; i < 20_000; i++) {
    let template = '';
    for (let n = 1 + below(5); n > 0; n--) template += `/${['{*}', '{**}', segment(), segment()][below(4)]}`;
    let path = '';
    for (let n = 1 + below(6); n > 0; n--) path += `/${below(8) === 0 ? '' : segment()}`;
    const want = expected(template, path);
    assert.equal(matches(template, path), want, `${template} ${path}`);
    if (want) agreed++;
  }
  assert.ok(agreed > 1000, `only ${agreed} of them matched: the paths are too wild`);
});

test('a template with many {**} is no way to stall a shard', () => {
  const template = `${'/{**}/a'.repeat(30)}/end`;
  const started = process.cpuUsage().user;
  assert.equal(matches(template, '/a'.repeat(2000)), false);
  assert.ok(process.cpuUsage().user - started < 2_000_000);
});

test('addresses are parsed as the system writes them', () => {
  for (const [text, hex] of [
    ['127.0.0.1', '7f000001'],
    ['255.255.255.255', 'ffffffff'],
    ['::1', `${'0'.repeat(31)}1`],
    ['::', '0'.repeat(32)],
    ['2001:db8::ff00:42:8329', '20010db8000000000000ff0000428329'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['1::8', '00010000000000000000000000000008'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['::ffff:10.1.2.3', '0a010203'],
    ['::ffff:0a01:0203', '0a010203'],
    ['64:ff9b::1.2.3.4', '0064ff9b000000000000000001020304'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
  ]) {
    assert.equal(address(text), hex, text);
  }
});

test('what is no address is none', () => {
  const wrong = [
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '1.2.3.x',
    '1..2.3',
    ':',
    ':::',
    '1::2::3',
    'g::1',
    '12345::',
    '1:2:3',
    '1:2:3:4:5:6:7:8:9',
    '::1.2.3',
    '1.2.3.4 ',
  ];
  for (const text of wrong) assert.equal(address(text), '', text);
});
