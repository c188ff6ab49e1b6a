// `--listen ADDRESS`: where other machines reach this control plane, and NATS beside it. By TLS, with a certificate of the mesh's own
// authority for that address.
import { isIP } from 'node:net';
import { join } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { ServerTls } from '../bus/server/server.ts';
import type { ControlOptions } from '../control/main.ts';
import { CliError, EXIT } from './exit.ts';
import { probe } from './loopback.ts';

export function listenOption(what: string): Option {
  return new Option('--listen <address>', `${what} on this address of the machine, for others; by TLS`).argParser(
    (text) => {
      if (isIP(text) === 0) throw new InvalidArgumentError('an IP address of this machine is needed.');
      if (/^[0.:]+$/.test(text)) {
        throw new InvalidArgumentError('it is told to other machines: name the address by which they reach this one.');
      }
      return text;
    },
  );
}

/** Of an option that is for loopback: in plain text nobody else is served. */
export function loopback(text: string): string {
  if (text === 'localhost' || text === '::1' || (isIP(text) === 4 && text.startsWith('127.'))) return text;
  throw new InvalidArgumentError('it is for loopback, in plain text: --listen serves other machines, by TLS.');
}

/** undefined: on loopback alone. Throws CliError when the address is not this machine's. */
export async function servesAt(
  address: string | undefined,
  home: string,
  authority: NonNullable<ControlOptions['authority']>,
): Promise<ServerTls | undefined> {
  if (address === undefined) return undefined;
  if ((await probe(address, 0)) === 'absent')
    throw new CliError(`${address} is no address of this machine`, EXIT.usage);
  const { serverTls } = await import('../control/authority/serving.ts');
  return serverTls({ ...authority, dir: join(home, 'authority') }, address);
}
