import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ServerTls } from '../../../bus/server/server.ts';
import { Api } from '../../../cli/api.ts';
import { serverTls } from '../../../control/authority/serving.ts';
import { eventually, until } from '../../until.ts';
import { type Asked, type WebAuthority, webAuthority } from '../../web-certificates.ts';
import { type Plane, startDataPlane } from '../harness.ts';

const ADDRESS = '127.0.0.79';
const ROLES = {
  users: new Map([['cert:root', [{ role: 'admin', namespaces: null } as const]]]),
  groups: new Map([['shop', [{ role: 'operator', namespaces: ['shop'] } as const]]]),
};

describe('a client certificate at the API', () => {
  let dir = '';
  let tls: ServerTls;
  let clients: WebAuthority;
  let plane: Plane;
  const crlFile = () => join(dir, 'crl.pem');
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'weft-clients-'));
    tls = await serverTls({ dir: join(dir, 'authority') }, ADDRESS);
    clients = await webAuthority('Clients');
    await writeFile(crlFile(), await clients.revoked([]));
    const authority = { ca: clients.ca, crlFile: crlFile(), lookMs: 30 };
    plane = await startDataPlane({ machines: tls, clients: authority, roles: ROLES });
  });
  after(async () => {
    await plane?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  let files = 0;
  const pair = async (subject: string, asked: Asked = {}, of: WebAuthority = clients) => {
    const { cert, key } = await of.issue([], { ...asked, subject });
    const file = join(dir, `${++files}.pem`);
    await writeFile(file, `${cert}\n${key}`);
    return { file, cert, key };
  };
  const by = (clientCertificate: string, token = '') =>
    new Api({ api: plane.control.machinesUrl!, ca: tls.roots, token, clientCertificate });
  const revoke = async (certificates: readonly string[]) => {
    const fresh = `${crlFile()}.new`;
    await writeFile(fresh, await clients.revoked(certificates));
    await rename(fresh, crlFile());
  };

  it('stands for its common name, with the roles of its organizations, until it ends', async () => {
    const { file } = await pair('O=shop, O=other, CN=alice');
    const { name, grants, expires } = await by(file).whoami();
    assert.deepEqual([name, grants], ['cert:alice', [{ role: 'operator', namespaces: ['shop'] }]]);
    assert.ok(Date.parse(expires!) > Date.now());
    await by(file)
      .createAccess({ name: 'x', role: 'viewer', ttlSeconds: 60 })
      .then(
        () => assert.fail('it is none of an admin'),
        ({ message }) => assert.match(message, /^cert:alice \(operator of shop\) may not POST \/v1\/access/),
      );
    const admin = by((await pair('CN=root')).file);
    await admin.createAccess({ name: 'ci', role: 'viewer', ttlSeconds: 60 });
    assert.equal((await admin.access())[0].createdBy, 'cert:root');
    await assert.rejects(by((await pair('CN=eve')).file).whoami(), { message: /^cert:eve \(without a role\) may not/ });
  });

  it('is not needed, and a token counts before it', async () => {
    const api = plane.control.machinesUrl!;
    assert.equal((await new Api({ api, ca: tls.roots, token: plane.control.token }).whoami()).name, 'admin');
    await assert.rejects(new Api({ api, ca: tls.roots, token: 'wrong' }).whoami(), {
      message: /^the token is not valid/,
    });
    const { cert, key } = await pair('CN=root');
    const ask = (authorization?: string) =>
      new Promise<string>((resolve, reject) => {
        const options = {
          ca: tls.roots,
          cert,
          key,
          agent: false,
          headers: authorization === undefined ? {} : { authorization },
        };
        request(`${api}/v1/whoami`, options, (response) => {
          response.setEncoding('utf8').on('data', resolve).on('error', reject);
        })
          .once('error', reject)
          .end();
      });
    assert.match(await ask(), /"name":"cert:root"/);
    assert.match(await ask(`Bearer ${plane.control.token}`), /"name":"admin"/);
    assert.match(await ask('Bearer wrong'), /the token is not valid/);
    // Nobody is asked for one in plain text.
    const plain = await plane.call<{ error: string }>('GET', '/v1/whoami', undefined, {
      headers: { authorization: '' },
    });
    assert.deepEqual([plain.status, plain.body.error.split(':')[0]], [401, 'a token is needed']);
  });

  it('is refused in one line when it is foreign, expired, not valid yet, of nobody or of several', async () => {
    const hour = 3_600_000;
    const stranger = await webAuthority('Clients');
    const refused: [file: string, why: RegExp][] = [
      [
        (await pair('CN=root', {}, stranger)).file,
        /^the certificate of cert:root is not taken: no authority of --client-ca-file has signed it/,
      ],
      [(await pair('CN=root', {}, await webAuthority('Other'))).file, /no authority of --client-ca-file has signed it/],
      [
        (await pair('CN=root', { from: -2 * hour, to: -hour })).file,
        /^the certificate of cert:root is not taken: it expired at \d{4}-/,
      ],
      [(await pair('CN=root', { from: hour, to: 2 * hour })).file, /is not taken: it is not valid yet/],
      [(await pair('O=shop')).file, /its common name, the name of who it is of, is none/],
      [(await pair('CN=root, CN=alice')).file, /its common name, the name of who it is of, is none/],
      [(await pair('CN=two words')).file, /its common name, the name of who it is of, is none/],
    ];
    for (const [file, why] of refused) {
      await assert.rejects(by(file).whoami(), ({ message }: Error) => {
        assert.match(message, why);
        assert.doesNotMatch(message, /\n/);
        return true;
      });
    }
    assert.match(plane.log.join('\n'), /refused to 127\.0\.0\.\d+: the certificate of cert:root is not taken/);
  });

  it('counts no more once it is revoked, on connections that are open too, and a list that is damaged changes nothing', async () => {
    const { cert, key, file } = await pair('CN=root');
    const agent = new Agent({ keepAlive: true, ca: tls.roots, cert, key });
    let closed = false;
    await new Promise<void>((resolve, reject) => {
      request(`${plane.control.machinesUrl}/v1/whoami`, { agent }, (response) => {
        response.socket.once('close', () => {
          closed = true;
        });
        response.resume().once('end', resolve);
      })
        .once('error', reject)
        .end();
    });
    await revoke([cert]);
    await until('the connection is ended', () => closed);
    agent.destroy();
    await assert.rejects(by(file).whoami(), { message: /^the certificate of cert:root is not taken: it is revoked/ });
    await writeFile(crlFile(), '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n');
    await until('that is told', () =>
      plane.log.some((line) => /read before stays: .*list cannot be read: /.test(line)),
    );
    await writeFile(crlFile(), '');
    await until('that is told', () => plane.log.some((line) => /read before stays: .*crl\.pem is empty/.test(line)));
    await assert.rejects(by(file).whoami(), { message: /it is revoked/ });
    await writeFile(crlFile(), 'damaged');
    await until('that is told', () =>
      plane.log.some((line) =>
        /read before stays: .*crl\.pem: there is no list of revoked certificates \(PEM\)/.test(line),
      ),
    );
    await assert.rejects(by(file).whoami(), { message: /it is revoked/ });
    await revoke([]);
    await eventually(async () => assert.equal((await by(file).whoami()).name, 'cert:root'));
  });

  it('counts no more once its name is revoked, and again when that is taken back', async () => {
    const { file } = await pair('O=shop, CN=dave');
    const admin = by((await pair('CN=root')).file);
    await admin.setOutsider('cert:dave', 'revoke');
    await assert.rejects(by(file).whoami(), { message: /^cert:dave was put out at \d{4}-\S+ by cert:root/ });
    await admin.setOutsider('cert:dave', 'allow');
    assert.equal((await by(file).whoami()).name, 'cert:dave');
  });

  it('is not asked for where the revocation list cannot be read at the start', async () => {
    const authority = { ca: clients.ca, crlFile: join(dir, 'none.pem') };
    const wanted = plane.another({ machines: tls, clients: authority, stateDir: join(dir, 'other') });
    await assert.rejects(wanted, { message: /none\.pem cannot be read: it does not exist$/ });
  });
});
