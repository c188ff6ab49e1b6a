// Handshakes with a server whose proxy is revoked while they are under way.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { createServer } from 'node:tls';
import { nodeMark } from '../../../../core/config/serial.ts';
import { CertifiedSockets } from '../../../../core/transport/tls/certified-sockets.ts';
import { TICKET_BYTES } from '../../../../core/transport/tls/credentials.ts';
import { noSession, OutboundTls } from '../../../../core/transport/tls/outbound.ts';
import { testAuthority } from '../../../path/identities.ts';

test('a handshake under way when the server is revoked gives no connection, begun anew or resumed', async (t) => {
  const authority = await testAuthority();
  t.after(authority.close);
  const { key, chain: cert, roots: ca } = await authority.identity('details', { node: 'details' });
  const server = createServer({ key, cert, ca }, (socket) => socket.on('error', () => undefined).write('welcome'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const sockets = new CertifiedSockets();
  const outbound = new OutboundTls(sockets);
  outbound.adopt({ context: { key, cert, ca }, uri: '', tickets: randomBytes(TICKET_BYTES) });
  const sessions = noSession();
  const target = { serverName: 'details', identities: null, origination: null, protocols: ['http/1.1'], sessions };
  /** What became of one, and whether it resumed a session. Its server is revoked once it is begun. */
  const handshake = async (revoked: Record<string, number>): Promise<string> => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    const how = new Promise<string>((resolve) => {
      const secured: Parameters<OutboundTls['secure']>[2] = (secure) => {
        // The session comes with what is said first.
        secure.once('data', () => {
          resolve(secure.isSessionReused() ? 'resumed' : 'new');
          secure.destroy();
        });
      };
      outbound.secure(socket, target, secured, resolve);
    });
    sockets.revoke(revoked);
    const outcome = await how;
    if (!socket.destroyed) await once(socket, 'close');
    return outcome;
  };
  const revoked = { [nodeMark('details')]: 1 };
  const refused = 'TLS_error: CERTIFICATE_VERIFY_FAILED: certificate revoked';
  assert.equal(await handshake({}), 'new');
  assert.equal(await handshake({}), 'resumed');
  assert.equal(await handshake(revoked), refused);
  assert.equal(sessions.session, null);
  assert.equal(await handshake(revoked), refused);
  assert.equal(await handshake({}), 'new');
});
