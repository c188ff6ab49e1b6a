// By what a context asks the control plane: its token, one that a command prints, or a client certificate, read anew each time.
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Context } from './context.ts';
import { CliError, EXIT } from './exit.ts';
import { TokenCommand } from './token-command.ts';

export interface Credentials {
  readonly authorization?: string;
  readonly cert?: string;
  readonly key?: string;
}

export type CredentialSource = Pick<Context, 'token' | 'tokenCommand' | 'clientCertificate' | 'clientKey'>;

/** The result rejects with a CliError. */
export function credentialsOf({ token, tokenCommand, clientCertificate, clientKey }: CredentialSource) {
  if (clientCertificate !== undefined) {
    return (): Promise<Credentials> => certificate(clientCertificate, clientKey ?? clientCertificate);
  }
  if (tokenCommand === undefined) return async (): Promise<Credentials> => ({ authorization: `Bearer ${token}` });
  const command = new TokenCommand(tokenCommand);
  return async (): Promise<Credentials> => ({ authorization: `Bearer ${await command.token()}` });
}

async function certificate(certFile: string, keyFile: string): Promise<Credentials> {
  const [cert, key] = await Promise.all([read(certFile), read(keyFile)]);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH'
        ? 'the key is of another'
        : 'both are to be PEM, the key without a passphrase';
    throw new CliError(`${certFile} and ${keyFile} are no certificate and its key: ${why}`, EXIT.usage);
  }
  return { cert, key };
}

function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'it does not exist' : error.message;
    throw new CliError(`${file} cannot be read: ${why}`, EXIT.usage);
  });
}
