// Files that are judged where no mesh is, as in CI: nothing is asked, nothing is written.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { digestOf } from '../../bus/digest.ts';
import { CliError } from '../../cli/exit.ts';
import { judgeFiles } from '../../cli/offline.ts';
import { describeProblem } from '../../cli/output.ts';
import { denying } from '../plugins/wat.ts';
import { mesh } from './in-process.ts';
import { type Outcome, temporaryHome } from './mesh.ts';

const { home, remove } = temporaryHome();
after(remove);

const run = (args: readonly string[], input?: string): Promise<Outcome> => mesh(args, { home, input });

const service = (name: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{name: http, port: 80}]}\n`;

const rule = (host: string, more = ''): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
    - route: [{destination: {host: ${host}}}]
${more}`;

const wasm = (url: string, more = ''): string =>
  `apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: p}\nspec: {url: "${url}"${more}}\n`;

const judged = (text: string) => judgeFiles([{ name: 'stdin', text }]);

/** The lines of what is refused. */
async function refusal(text: string): Promise<string[]> {
  const error: unknown = await judged(text).catch((reason) => reason);
  assert.ok(error instanceof CliError && error.exitCode === 3, String(error));
  return error.problems.filter(({ severity }) => severity === 'error').map(describeProblem);
}

suite('files without a mesh', () => {
  test('sound ones end with 0 and each resource on a line, and leave nothing behind', async () => {
    const folder = join(home, 'rules');
    mkdirSync(folder);
    writeFileSync(join(folder, 'a.yaml'), `${service('reviews')}---\n${rule('reviews')}`);
    writeFileSync(
      join(folder, 'b.json'),
      JSON.stringify({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'a' } }),
    );
    const keys = ['Service/default/reviews', 'VirtualService/default/reviews', 'ServiceAccount/default/a'];
    assert.deepEqual(await run(['validate', '-f', folder]), {
      code: 0,
      signal: null,
      out: keys.map((key) => `${key} valid\n`).join(''),
      err: '',
    });
    const dry = await run(['apply', '-f', folder, '--dry-run=client', '--wait']);
    assert.deepEqual([dry.code, dry.out], [0, keys.map((key) => `${key} valid (dry run)\n`).join('')]);
    const { changes, warnings } = JSON.parse((await run(['validate', '-f', folder, '--json'])).out);
    assert.deepEqual([changes[0], changes.length, warnings], [{ key: keys[0], change: 'valid' }, 3, []]);
    assert.deepEqual(readdirSync(home), ['rules']);
  });

  test('warnings have their places and cost nothing', async () => {
    const { code, err } = await run(['validate', '-f', '-'], `${service('reviews')}---\n${rule('nowhere')}`);
    assert.equal(code, 0);
    assert.match(err, /^warning: stdin:12:36 \/spec\/http\/0\/route\/0\/destination\/host: .*nowhere/m);
  });

  test('what a control plane refuses ends with 3, whether it is found by the schema, between resources or by the compile', async () => {
    const long = `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: long, namespace: shop}
spec: {selector: {matchLabels: {app: cart}}, rules: [{to: [{operation: {paths: [/${'x'.repeat(70_000)}]}}]}]}\n`;
    for (const [text, problem] of [
      [rule('reviews', '      timeout: soon\n'), /^stdin:8:16 \/spec\/http\/0\/timeout: "soon" is no duration/m],
      [`${service('a')}---\n${service('a')}`, /^stdin:6:1: Service\/default\/a is defined twice/m],
      [rule('reviews', '      headers: {request: {set: {x: "%NOPE%"}}}\n'), /^stdin:8:\d+ .*unknown operator %NOPE%/m],
      [long, /^stdin:4:7 \/spec: it cannot be compiled for sidecars of the namespace shop with app=cart/m],
      ['a: [', /^stdin:1:\d+: /m],
    ] as const) {
      const [line, ...more] = await refusal(text);
      assert.match(line, problem);
      assert.deepEqual(more, []);
    }
    const { code, out, err } = await run(['apply', '--dry-run=client', '-f', '-'], 'a: [');
    assert.deepEqual([code, out], [3, '']);
    assert.match(err, /^stdin:1:\d+: .*\nmesh: 1 error in the configuration: nothing was changed\n$/);
    const { exitCode, problems } = JSON.parse((await run(['validate', '-f', '-', '--json'], 'a: [')).out);
    assert.deepEqual([exitCode, problems.length], [3, 1]);
  });

  test('a module of a file is read and checked, one from elsewhere is told of', async () => {
    const file = join(home, 'p.wasm');
    const bytes = denying();
    writeFileSync(file, bytes);
    const sha256 = digestOf(bytes).slice('sha256:'.length);
    assert.deepEqual((await judged(wasm(`file://${file}`, `, sha256: "${sha256}"`))).warnings, []);
    for (const [text, problem] of [
      [wasm(`file://${file}`, `, sha256: "${'0'.repeat(64)}"`), /^stdin:4:\d+ \/spec\/url: verify: .* not 0000/],
      [wasm(`file://${file}`, ', verificationKey: key'), /^stdin:4:\d+ \/spec\/url: verify: a verificationKey is for/],
      [wasm(`file://${home}/none.wasm`), /^stdin:4:\d+ \/spec\/url: fetch: .*none\.wasm/],
      [wasm(`file://${import.meta.filename}`), /^stdin:4:\d+ \/spec\/url: check: .* cannot run/],
    ] as const) {
      const [line] = await refusal(text);
      assert.match(line, problem);
    }
    const { warnings } = await judged(wasm('oci://example.test/p:v1'));
    const told = /^stdin:4:\d+ \/spec\/url: oci:\/\/example\.test\/p:v1 is fetched and checked when it is applied/;
    assert.match(describeProblem(warnings[0]), told);
  });

  test('what only a mesh can answer is wrong usage', async () => {
    const parent = await run(['apply', '-f', '-', '--dry-run=client', '--parent', '3'], service('a'));
    assert.deepEqual(
      [parent.code, parent.err],
      [2, 'mesh: --parent asks a mesh for its revision, and --dry-run=client asks none\n'],
    );
    assert.match((await run(['apply', '-f', '-', '--dry-run=all'], service('a'))).err, /it is server, client or none/);
    assert.match((await run(['delete', 'vs', 'a', '--dry-run=client'])).err, /it is server or none/);
    assert.equal((await run(['validate', '-f', '-'], '# nothing')).code, 1);
  });
});
