import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { writeContext } from '../../cli/context.ts';
import { type Plane, startDataPlane, virtualService } from '../control/harness.ts';
import { mesh } from './in-process.ts';
import { temporaryHome } from './mesh.ts';

const owner = temporaryHome();
const guest = temporaryHome();
let plane: Plane;
let api: string;
before(async () => {
  plane = await startDataPlane();
  api = plane.control.url;
  await writeContext({ api, token: plane.control.token, bus: { servers: [plane.mesh.server.url] } }, owner.home);
});
after(async () => {
  await plane.stop();
  owner.remove();
  guest.remove();
});

const inOwner = (args: readonly string[]) => mesh(args, { home: owner.home });
const inGuest = (args: readonly string[], input?: string) => mesh(args, { home: guest.home, input });

describe('mesh access, login and whoami', () => {
  let token: string;

  test('a token is printed alone, once; what it is for stands beside it', async () => {
    const { code, out, err } = await inOwner([
      'access',
      'create',
      'ci',
      '--role',
      'operator',
      '-n',
      'shop',
      '--ttl',
      '2h',
    ]);
    assert.equal(code, 0, err);
    assert.match(out, /^weft_ci_[\w-]{43}\n$/);
    assert.match(err, /^ci is operator of shop until \d{4}-\S+; what it says is told now and never again:\n$/);
    token = out.trim();
  });

  test('who has it logs in elsewhere, into a context that is theirs alone', async () => {
    const { code, out, err } = await inGuest(['login', api], `${token}\n`);
    assert.equal(code, 0, err);
    assert.match(out, new RegExp(`^logged in to ${api} as ci, operator of shop, until \\d{4}-`));
    const file = join(guest.home, 'context.json');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { api, token, bus: { servers: [] } });
    const who = await inGuest(['whoami']);
    assert.match(
      who.out,
      /^NAME +ROLE +EXPIRES +ADDRESS +CONTROL PLANE\nci +operator of shop +\d{4}-\S+ +127\.0\.0\.1 +http/,
    );
    const { name, grants, address } = JSON.parse((await inGuest(['whoami', '-o', 'json'])).out);
    assert.deepEqual([name, grants, address], ['ci', [{ role: 'operator', namespaces: ['shop'] }], '127.0.0.1']);
  });

  test('what it changes is under its name, and what it may not is one line', async () => {
    const own = virtualService('cart').replace('  name: cart', '  name: cart\n  namespace: shop');
    assert.equal((await inGuest(['apply', '-f', '-'], own)).code, 0);
    const refused = await inGuest(['apply', '-f', '-'], virtualService('cart'));
    assert.deepEqual([refused.code, refused.out], [1, '']);
    assert.equal(
      refused.err,
      'mesh: ci (operator of shop) may not change VirtualService/default/cart: that needs the role operator of default\n',
    );
    const { out } = await inOwner(['history', '-o', 'wide']);
    assert.match(out, /^REVISION +TIME +AUTHOR +CHANGES +MESSAGE +PARENT +FROM +CLIENT +REQUEST\n1 +\S+ +ci +\+1 -0 /);
    assert.match(out, / 0 +127\.0\.0\.1 +mesh\/\S+ +POST \/v1\/apply\n$/);
    const { items } = JSON.parse((await inOwner(['history', '-o', 'json'])).out);
    assert.equal(items[0].origin.request, 'POST /v1/apply');
  });

  test('who logged in starts no proxies, and is told so', async () => {
    for (const args of [['run', '--service', 'a', '--', 'true'], ['proxy']]) {
      const { code, err } = await inGuest(args);
      assert.match(err, /^mesh: \S+context\.json is of `mesh login`, which .*starts no proxies: .*\n$/, args[0]);
      assert.equal(code, 1);
    }
  });

  test('once it is revoked it is out, and its line says what to do', async () => {
    assert.match((await inOwner(['access', 'list'])).out, /\nci +operator +shop +valid +\S+ +admin +\d{4}-/);
    assert.equal((await inOwner(['access', 'revoke', 'ci'])).out, 'ci is revoked\n');
    const { code, err } = await inGuest(['get']);
    assert.equal(code, 1);
    assert.match(
      err,
      /^mesh: the token ci was revoked at \S+; `mesh login URL` takes another token into this MESH_HOME\n$/,
    );
    assert.match((await inOwner(['access', 'ls'])).out, /\nci +operator +shop +revoked /);
  });

  test('a command that prints the token is kept in its place, and run whenever the control plane is asked', async () => {
    const { home, remove } = temporaryHome();
    const file = join(home, 'printed');
    writeFileSync(file, plane.control.token);
    try {
      const command = `cat ${file}`;
      const { code, out, err } = await mesh(['login', api, '--token-command', command], { home });
      assert.equal(code, 0, err);
      assert.match(out, new RegExp(`^logged in to ${api} as admin, admin of the whole mesh\n`));
      const kept = readFileSync(join(home, 'context.json'), 'utf8');
      assert.deepEqual(JSON.parse(kept), { api, token: '', tokenCommand: command, bus: { servers: [] } });
      writeFileSync(file, 'another');
      const later = await mesh(['whoami'], { home });
      assert.deepEqual([later.code, later.err.split(';')[0]], [1, 'mesh: the token is not valid']);
      rmSync(file);
      const gone = await mesh(['whoami'], { home });
      assert.match(gone.err, /mesh: the command that prints the token ended with 1\n$/);
    } finally {
      remove();
    }
  });

  test('whom an issuer or a certificate vouches for is revoked by name, listed, and allowed again', async () => {
    const revoked = await inOwner(['access', 'revoke', 'oidc:alice@x.test']);
    assert.deepEqual([revoked.code, revoked.out], [0, 'oidc:alice@x.test is revoked\n'], revoked.err);
    assert.match((await inOwner(['access', 'ls'])).out, /\noidc:alice@x\.test +- +- +revoked /);
    const allowed = await inOwner(['access', 'allow', 'oidc:alice@x.test']);
    assert.match(allowed.out, /^oidc:alice@x\.test is let in again/);
    for (const [name, says] of [
      ['oidc:alice@x.test', /oidc:alice@x\.test is not revoked\n$/],
      ['alice', /oidc:NAME or cert:NAME is needed/],
    ] as const) {
      assert.match((await inOwner(['access', 'allow', name])).err, says);
    }
  });

  test('a login that fails is one line, and leaves no context', async () => {
    const { home, remove } = temporaryHome();
    const empty = join(home, 'empty');
    const spaced = join(home, 'spaced');
    writeFileSync(empty, '\n');
    writeFileSync(spaced, 'two words');
    const wrong: [readonly string[], number, RegExp][] = [
      [['ftp://mesh'], 2, /"ftp:\/\/mesh" is no address of a control plane: https:\/\/HOST:PORT is/],
      [['mesh.example'], 2, /is no address of a control plane/],
      [['https://a:b@mesh.example'], 2, /only scheme, host and port/],
      [['https://mesh.example/v1'], 2, /only scheme, host and port/],
      [['http://mesh.example:15010'], 2, /would travel to mesh\.example:15010 in plain text: use https, or --insecure/],
      [[api, '--token-file', join(home, 'none')], 2, /none cannot be read: it does not exist/],
      [[api, '--token-file', empty], 2, /there is no token in .*empty/],
      [[api, '--token-file', spaced], 2, /spaced is no token: one word/],
      [[api], 2, /there is no token in standard input/],
      [[api, '--token-file', spaced, '--token-command', 'true'], 2, /give one of --token-file, --token-command and/],
      [[api, '--client-certificate', empty], 2, /a certificate is shown by TLS/],
      [[api, '--client-key', empty], 2, /--client-key is of --client-certificate/],
      [
        ['https://127.0.0.1:9', '--client-certificate', join(home, 'none')],
        2,
        /none cannot be read: it does not exist/,
      ],
      [
        ['https://127.0.0.1:9', '--client-certificate', spaced],
        2,
        /are no certificate and its key: both are to be PEM/,
      ],
      [[api, '--token-command', 'exit 4'], 1, /the command that prints the token ended with 4/],
      [[api, '--ca', empty], 2, /there is no token|empty has no certificate in PEM/],
      [['http://127.0.0.1:9', '--token-file', spaced], 2, /one word/],
    ];
    try {
      await Promise.all(
        wrong.map(async ([args, expected, says]) => {
          const { code, out, err } = await mesh(['login', ...args], { home });
          assert.match(err, says);
          assert.match(err, /^mesh: [^\n]*\n$/);
          assert.deepEqual([code, out], [expected, '']);
        }),
      );
      const unknown = await mesh(['login', api], { home, input: 'wrong' });
      assert.deepEqual([unknown.code, unknown.err.split(';')[0]], [1, 'mesh: the token is not valid']);
      assert.equal(existsSync(join(home, 'context.json')), false);
    } finally {
      remove();
    }
  });
});
