// What the README has a newcomer type is typed here: the same applications, the same commands, the same rule.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { freePort } from '../../bench/ports.ts';
import { mesh, ROOT, Running, temporaryHome } from '../cli/mesh.ts';
import { eventually } from '../until.ts';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** The first block of this language in the section. */
function block(section: string, language: string): string {
  const text = README.split(`\n## ${section}\n`)[1].split('\n## ')[0];
  const found = [...text.matchAll(/^```(\w*)\n(.*?)\n```$/gms)].find(([, tag]) => tag === language);
  assert.ok(found, `${section} has a block of ${language || 'commands'}`);
  return found[2];
}

suite('the README, typed by a newcomer', { timeout: 120_000 }, () => {
  const { home, remove } = temporaryHome();
  const running: Running[] = [];
  let port = 0;
  before(() => {
    for (const program of block('A first own mesh', 'js').split('\n\n//')) {
      writeFileSync(join(home, /(\w+\.mjs)/.exec(program)![1]), program.replace(/^ /, '// '));
    }
    writeFileSync(join(home, 'canary.yaml'), block('A first own rule', 'yaml'));
  });
  after(async () => {
    for (const each of running.toReversed()) await each.stop();
    remove();
  });

  test('its first mesh: two instances of a service are called by their name, before there is any rule', async () => {
    for (const line of block('A first own mesh', '').split('\n')) {
      const [, ...words] = line.replace(/#.*/, '').trim().split(' ');
      const at = words.indexOf('--port');
      // Somebody may have the README's ports here.
      if (at >= 0) {
        port = await freePort();
        words[at + 1] = String(port);
      }
      if (words[0] === 'up') words.push('--port', '0');
      const one = new Running(
        words.map((word) => (word === 'node' ? process.execPath : word)),
        { home, cwd: home },
      );
      running.push(one);
      await one.ready;
    }
    assert.equal(running.length, 4);
    await eventually(async () =>
      assert.deepEqual([...new Set(await answers(8))].sort(), ['hello from v1', 'hello from v2']),
    );
  });

  test('its first rule: most calls stay on the first version', async () => {
    const applied = await mesh(['apply', '-f', 'canary.yaml', '--wait'], { home, cwd: home });
    assert.match(applied.out, /^VirtualService\/default\/hello created$/m, applied.err);
    assert.match(applied.out, /^revision 1: 3\/3 proxies/m);
    // So many that chance decides nothing: 270 of them, give or take 40, are 7 deviations.
    const said = await answers(300);
    const first = said.filter((text) => text === 'hello from v1').length;
    assert.ok(first >= 230 && first < 300, `${first} of 300`);
    assert.equal(said.filter((text) => text === 'hello from v2').length, 300 - first);
    const misspelt = await mesh(['apply', '-f', '-'], {
      home,
      input: readFileSync(join(home, 'canary.yaml'), 'utf8').replaceAll('weight', 'wieght'),
    });
    assert.match(misspelt.err, /unknown field "wieght", did you mean "weight"\?/);
    assert.match(misspelt.err, /^mesh: 2 errors in the configuration: nothing was changed$/m);
  });

  async function answers(count: number): Promise<string[]> {
    const all: string[] = [];
    for (let i = 0; i < count; i++) all.push((await (await fetch(`http://127.0.0.1:${port}/`)).text()).trim());
    return all;
  }
});
