// A probe that connects, and says nothing.

import { connect } from 'node:net';
import { hostPort } from '../../core/host-port.ts';
import type { Probe } from './watch.ts';

export function tcpSocket(host: string, port: number): Probe {
  return {
    what: `a connection to ${hostPort(host, port)}`,
    check: (signal) =>
      new Promise((resolve) => {
        const socket = connect({ host, port, signal });
        socket.once('connect', () => {
          resolve('');
          socket.destroy();
        });
        socket.on('error', (error) => resolve(error.message));
      }),
  };
}
