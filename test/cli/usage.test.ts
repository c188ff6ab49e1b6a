import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mesh } from './in-process.ts';
import { mesh as program, ROOT, temporaryHome } from './mesh.ts';

const COMMANDS = readdirSync(join(ROOT, 'cli', 'commands')).map((file) => file.replace(/\.ts$/, ''));

test('the help lists every command, the exit codes and examples', async () => {
  const { code, out } = await mesh(['--help']);
  assert.equal(code, 0);
  for (const command of COMMANDS) assert.match(out, new RegExp(`^  ${command}\\b`, 'm'), command);
  assert.match(out, /Exit codes:/);
  assert.match(out, /Examples:/);
});

test('the help of every command has examples, and every command that prints results takes --json', async () => {
  await Promise.all(
    COMMANDS.map(async (command) => {
      const { code, out } = await mesh([command, '--help']);
      assert.equal(code, 0, command);
      assert.match(out, /Examples:\n +\$ /, command);
      assert.match(out, /--json\b/, command);
    }),
  );
});

test('wrong usage is one line and exit code 2', async () => {
  const { home, remove } = temporaryHome();
  const cases: (readonly [readonly string[], RegExp])[] = [
    [['frobnicate'], /unknown command 'frobnicate'/],
    [['apply'], /required option '-f, --filename <file>' not specified/],
    [['apply', '-f', 'x.yaml', '--timeout', 'soon'], /it is no duration: write 5s, 100ms or 1h30m/],
    [['apply', '-f', 'x.yaml', '--timeout', '30'], /it is no duration/],
    [['apply', '-f', 'x.yaml', '--timeout', '25h'], /it is too long: at most 24h/],
    [['apply', '-f', 'x.yaml', '--parent', '-1'], /a revision is a number/],
    [['rollback', 'yesterday'], /a revision is a number/],
    [['get', '--output', 'xml'], /Allowed choices are table, yaml, json/],
    [['proxy', '--config', '.', '--metrics-expiry', '1s'], /it is too short: at least 1m/],
    [['up', '--port', '70000'], /a port is a number from 0 to 65535/],
    [['up', '--ca-key', 'key.pem'], /--ca-cert and --ca-key go together/],
    [['run', '--port', '1', '--', 'true'], /required option '--service <name>' not specified/],
    [['run', '--service', 'No_Name', '--port', '1', '--', 'true'], /lower-case letters, digits and dashes/],
    [['run', '--service', 'a', '--port', '1', '-l', 'x', '--', 'true'], /a label is NAME=VALUE/],
    [['proxy', '--gateway-port', '80'], /GATEWAYPORT=PORT/],
    [['access', 'create', 'ci'], /required option '--role <role>' not specified/],
    [['access', 'create', 'ci', '--role', 'root'], /Allowed choices are viewer, operator, admin/],
    [['access', 'create', 'ci', '--role', 'viewer', '--ttl', '30'], /a whole number of m, h or d, from 1m to 3650d/],
    [['delete'], /either KIND NAME\.\.\., or -f FILE/],
    [['delete', 'vs'], /Names are missing/],
    [['get', 'virtualservicez'], /there is no kind 'virtualservicez'/],
    [['control', '--nats', 'nats://127.0.0.1:1'], /no users of NATS in .*it does not exist/],
  ];
  try {
    await Promise.all(
      cases.map(async ([args, expected]) => {
        const { code, out, err } = await mesh(args, { home });
        assert.match(err, expected, args.join(' '));
        assert.match(err, /^mesh: [^\n]*\n(\(Did you mean [^\n]*\n)?$/, args.join(' '));
        assert.equal(out, '', args.join(' '));
        assert.equal(code, 2, args.join(' '));
      }),
    );
  } finally {
    remove();
  }
});

test('without a mesh the commands that need one say how to start it, with exit code 5', async () => {
  const { home, remove } = temporaryHome();
  try {
    for (const args of [['get'], ['ps'], ['history']]) {
      const { code, err } = await mesh(args, { home });
      assert.match(err, /^mesh: no mesh is known here .*mesh up.*\n$/);
      assert.equal(code, 5);
    }
  } finally {
    remove();
  }
});

test('the version is that of package.json, and asking for it needs no mesh', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const { home, remove } = temporaryHome();
  try {
    assert.equal((await program(['--version'], { home })).out, `${version}\n`);
    const { code, out } = await mesh(['version', '--json'], { home });
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(out), { client: { version, node: process.versions.node }, control: null });
  } finally {
    remove();
  }
});
