// The address by which other machines reach what runs here: the one from which this machine reaches the control plane, unless
// another of its own is chosen. In a mesh of one machine there is none, and workloads have loopback addresses of their own.
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import type { Context } from './context.ts';
import { CliError, EXIT } from './exit.ts';
import { probe } from './loopback.ts';

/** '' in a mesh of one machine. Throws CliError for an address at which nobody could be reached. */
export async function advertisedAddress({ bus }: Pick<Context, 'bus'>, wanted: string | undefined): Promise<string> {
  const { hostname, port } = new URL(bus.servers[0]);
  const control = hostname.replace(/^\[|\]$/g, '');
  if (bus.ca === undefined || isLoopback(control)) {
    if (wanted === undefined) return '';
    throw new CliError(
      '--advertise is for a mesh of several machines, and this one has none: `mesh up --listen`',
      EXIT.usage,
    );
  }
  const address = wanted ?? (await sourceTowards(control, Number(port)));
  const fault = await faultOf(address);
  if (fault === '') return address;
  throw new CliError(
    `${address} cannot be advertised: ${fault}${wanted === undefined ? '; choose one with --advertise' : ''}`,
    EXIT.usage,
  );
}

async function faultOf(address: string): Promise<string> {
  if (isIP(address) === 0) return 'it is no IP address';
  if (/^[0.:]+$/.test(address)) return 'it stands for every address of a machine, and others need one';
  if (isLoopback(address)) return 'on every machine it leads to that machine itself';
  return (await probe(address, 0)) === 'absent' ? 'it is no address of this machine' : '';
}

function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^(::ffff:)?127\./.test(address);
}

/** What the system would send from. Nothing is sent. */
function sourceTowards(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4');
    socket.once('error', (error) => {
      socket.close();
      reject(
        new CliError(`this machine has no way to the control plane at ${host}: ${error.message}`, EXIT.unreachable),
      );
    });
    socket.connect(port, host, () => {
      const { address } = socket.address();
      socket.close();
      resolve(address);
    });
  });
}
