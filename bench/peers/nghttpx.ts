// Peer: nghttp2's nghttpx, one worker, HTTP/2 on both sides.

import { freePort } from '../ports.ts';
import { find, versionOf } from '../programs.ts';
import { isPlainBut } from '../setups.ts';
import type { Peer } from './peer.ts';

export const nghttpx: Peer = {
  name: 'nghttpx',
  prepare: async () =>
    find('nghttpx') === null ? 'nghttpx is not on PATH (Debian: apt-get install nghttp2-proxy)' : null,
  version: () => versionOf('nghttpx', ['--version']),
  lacks: (setup) => (isPlainBut(setup, ['h2']) ? null : 'nghttpx is measured in HTTP/2 only'),
  async start({ children, upstreamPort }) {
    const port = await freePort();
    const child = children.start('nghttpx', [
      ...['--conf=/dev/null', `--frontend=127.0.0.1,${port};no-tls`, `--backend=127.0.0.1,${upstreamPort};;proto=h2`],
      ...['--workers=1', '--single-process', '--accesslog-file=', '--errorlog-file=/dev/stderr', '--log-level=ERROR'],
      ...['--frontend-http2-max-concurrent-streams=1000', '--no-ocsp'],
    ]);
    return { origin: `http://127.0.0.1:${port}`, processes: [child] };
  },
};
