import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Command } from 'commander';
import { type AccessChoice, accessOptions, chosenAccess } from '../../cli/access-options.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-access-options-'));
after(() => rmSync(folder, { recursive: true }));

async function chosen(...args: string[]) {
  const command = accessOptions(new Command('control').option('--listen <address>'))
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return chosenAccess(command.parse(args, { from: 'user' }).opts<AccessChoice>());
}

const ISSUER = ['--oidc-issuer-url', 'https://id.example', '--oidc-client-id', 'mesh'];

test('an issuer is named by its URL and by whom its tokens are for, and grants by name and by group', async () => {
  const none = { users: new Map(), groups: new Map() };
  assert.deepEqual(await chosen(), { oidc: undefined, clients: undefined, roles: none });
  const { oidc, roles } = await chosen(
    ...ISSUER,
    ...['--oidc-username-claim', 'email', '--oidc-groups-claim', 'roles'],
    ...['--grant', 'group:system:masters=admin', '--grant', 'group:cn=dev,ou=x=operator@shop,cart'],
    ...['--grant', 'user:oidc:eve@x.test=viewer', '--grant', 'group:system:masters=viewer'],
  );
  assert.deepEqual(oidc, {
    ...{ issuer: 'https://id.example', clientId: 'mesh' },
    ...{ usernameClaim: 'email', groupsClaim: 'roles', ca: undefined },
  });
  const admin = { role: 'admin', namespaces: null };
  const viewer = { role: 'viewer', namespaces: null };
  assert.deepEqual(
    [...roles!.groups],
    [
      ['system:masters', [admin, viewer]],
      ['cn=dev,ou=x', [{ role: 'operator', namespaces: ['shop', 'cart'] }]],
    ],
  );
  assert.deepEqual([...roles!.users], [['oidc:eve@x.test', [viewer]]]);
  assert.equal(
    (await chosen('--oidc-issuer-url', 'http://127.0.0.1:8080/a', '--oidc-client-id', 'm')).oidc?.clientId,
    'm',
  );
});

test('certificates count below the authority that is named, where TLS is spoken', async () => {
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, '-----BEGIN CERTIFICATE-----');
  const { clients, roles } = await chosen(
    ...['--listen', '10.0.0.5', '--client-ca-file', ca, '--client-crl-file', 'crl.pem'],
    ...['--grant', 'user:cert:deploy=operator@shop'],
  );
  assert.deepEqual(clients, { ca: '-----BEGIN CERTIFICATE-----', crlFile: 'crl.pem' });
  assert.deepEqual([...roles!.users.keys()], ['cert:deploy']);
});

test('what would let in others than meant, or nobody, is refused in one line', async () => {
  const noPem = join(folder, 'no.pem');
  writeFileSync(noPem, 'hello');
  const bad: [args: string[], why: RegExp][] = [
    [['--oidc-issuer-url', 'http://id.example'], /an issuer has an https URL/],
    [['--oidc-issuer-url', 'id.example'], /an issuer has an https URL/],
    [['--oidc-issuer-url', 'https://id.example/?a=b'], /has no query/],
    [['--oidc-issuer-url', 'https://id.example'], /needs --oidc-client-id/],
    [['--oidc-client-id', 'mesh'], /--oidc-issuer-url URL names it/],
    [['--grant', 'group:a=admin'], /--grant is for those of --oidc-issuer-url and --client-ca-file/],
    [['--client-ca-file', noPem], /--client-ca-file needs --listen/],
    [['--client-crl-file', noPem], /is of the authority that --client-ca-file names/],
    [['--listen', '10.0.0.5', '--client-ca-file', noPem], /no\.pem has no certificate in PEM/],
    [[...ISSUER, '--grant', 'platform=admin'], /a grant is group:NAME=ROLE/],
    [[...ISSUER, '--grant', 'group:a=root'], /a grant is group:NAME=ROLE/],
    [[...ISSUER, '--grant', 'group:=admin'], /a grant is group:NAME=ROLE/],
    [[...ISSUER, '--grant', 'user:eve=admin'], /user:oidc:eve or user:cert:eve/],
    [[...ISSUER, '--grant', 'user:cert:=admin'], /a user is named as/],
    [[...ISSUER, '--grant', 'group:a=admin@shop'], /an admin is one of the whole mesh/],
    [[...ISSUER, '--grant', 'group:a=operator@'], /"" is no namespace/],
    [[...ISSUER, '--grant', 'group:a=operator@shop,*'], /"\*" is no namespace/],
    [[...ISSUER, '--oidc-ca-file', join(folder, 'none.pem')], /none\.pem cannot be read: it does not exist/],
    [[...ISSUER, '--oidc-ca-file', noPem], /no\.pem has no certificate in PEM/],
  ];
  for (const [args, why] of bad) {
    await assert.rejects(chosen(...args), (error: Error) => {
      assert.match(error.message, why, args.join(' '));
      assert.doesNotMatch(error.message, /\n./);
      return true;
    });
  }
});
