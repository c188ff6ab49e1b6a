// `mesh secret`, asked of a control plane as a user asks it.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { writeContext } from '../../cli/context.ts';
import { type Plane, startDataPlane } from '../control/harness.ts';
import { type WebAuthority, webAuthority } from '../web-certificates.ts';
import { mesh } from './in-process.ts';
import { temporaryHome } from './mesh.ts';

const owner = temporaryHome();
let plane: Plane;
let authority: WebAuthority;
before(async () => {
  authority = await webAuthority();
  plane = await startDataPlane();
  const { url: api, token } = plane.control;
  await writeContext({ api, token, bus: { servers: [plane.mesh.server.url] } }, owner.home);
  const { cert, key } = await authority.issue(['shop.test']);
  for (const [name, text] of Object.entries({ 'shop.pem': cert, 'shop.key': key, 'ca.pem': authority.ca })) {
    writeFileSync(join(owner.home, name), text);
  }
});
after(async () => {
  await plane.stop();
  owner.remove();
});

const secret = (...args: string[]) => mesh(['secret', ...args], { home: owner.home, cwd: owner.home });

describe('mesh secret', () => {
  test('keeps one, tells of it without what it is, and forgets it', async () => {
    const made = await secret('create', 'tls', 'shop', '--cert', 'shop.pem', '--key', 'shop.key');
    assert.match(made.out, /^istio-system\/shop is kept: DNS:shop\.test until \d{4}-\S+Z\n$/, made.err);
    const beside = await secret('create', 'generic', 'shop-cacert', '--from-file', 'ca.crt=ca.pem', '-n', 'shop');
    assert.equal(beside.out, 'shop/shop-cacert is kept\n', beside.err);
    const { out } = await secret('list');
    assert.match(out, /^NAME +NAMESPACE +TYPE +IDENTITY +NOT AFTER +CHANGED +BY\n/);
    assert.match(out, /\nshop +istio-system +tls +DNS:shop\.test +\d{4}-/);
    assert.match(out, /\nshop-cacert +shop +cacert /);
    assert.doesNotMatch((await secret('list', '--json')).out, /BEGIN/);
    assert.equal((await secret('delete', 'shop')).out, 'istio-system/shop is deleted\n');
    const again = await secret('delete', 'shop');
    assert.equal(again.code === 0, false);
    assert.match(again.err, /there is no secret istio-system\/shop/);
  });

  test('says which file or key is wrong before it asks anybody', async () => {
    const absent = await secret('create', 'tls', 'shop', '--cert', 'none.pem', '--key', 'shop.key');
    assert.match(absent.err, /none\.pem cannot be read: it does not exist/);
    const unknown = await secret('create', 'generic', 'shop', '--from-file', 'tls.pem=shop.pem');
    assert.match(unknown.err, /--from-file tls\.pem=shop\.pem: write KEY=FILE, KEY one of tls\.crt/);
    assert.equal(unknown.code, 2);
    const swapped = await secret('create', 'tls', 'shop', '--cert', 'shop.key', '--key', 'shop.pem');
    assert.match(swapped.err, /there is no certificate \(PEM\)/);
  });
});
