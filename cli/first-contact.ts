// The first contact with a mesh that is not trusted yet: which authority stands behind an address, told by a token's fingerprint.
// Nothing is sent before that is known.
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { CliError, EXIT } from './exit.ts';

const PATIENCE_MS = 10_000;
const MAX_CHAIN = 10;

/** The root with that fingerprint, in PEM, of what the server at `api` shows. Throws CliError. */
export function rootOf(api: string, fingerprint: string): Promise<string> {
  const { hostname, port } = new URL(api);
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const unreachable = (why: string): void =>
      reject(new CliError(`control plane not reachable at ${api}: ${why}`, EXIT.unreachable));
    if (isIP(host) === 0) return unreachable('that is no address');
    // Who it is, is looked at here; whether the rest fits, by the calls that follow.
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false, timeout: PATIENCE_MS }, () => {
      const root = find(socket.getPeerCertificate(true), fingerprint);
      socket.destroy();
      if (root !== null) return resolve(root);
      reject(
        new CliError(
          `what answers at ${api} is not the mesh that made the token: its authority is another; nothing was sent`,
        ),
      );
    });
    socket.once('timeout', () => socket.destroy(new Error(`no answer within ${PATIENCE_MS / 1000} s`)));
    socket.once('error', (error: NodeJS.ErrnoException) => unreachable(error.message || error.code || 'failed'));
    socket.once('close', () => unreachable('the connection was closed'));
  });
}

function find(first: DetailedPeerCertificate, fingerprint: string): string | null {
  let certificate: DetailedPeerCertificate | undefined = first;
  for (let depth = 0; certificate?.raw !== undefined && depth < MAX_CHAIN; depth++) {
    const { raw, issuerCertificate }: DetailedPeerCertificate = certificate;
    if (createHash('sha256').update(raw).digest('base64url') === fingerprint) {
      return `-----BEGIN CERTIFICATE-----\n${raw.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
    }
    certificate = issuerCertificate === certificate ? undefined : issuerCertificate;
  }
  return null;
}
