// Peer: no proxy at all. Bookinfo's applications call each other, which is what the others' figures are to be held against.

import { startApplications } from '../bookinfo/applications.ts';
import { untilComplete } from '../bookinfo/page.ts';
import { sumOf, usage } from '../usage.ts';
import type { Peer } from './peer.ts';

export const direct: Peer = {
  name: 'direct',
  prepare: async () => null,
  version: () => `node ${process.version}`,
  lacks: ({ behind }) => (behind === 'bookinfo' ? null : 'without a proxy only Bookinfo is measured'),
  async start({ children }) {
    const { children: processes, ports } = await startApplications(children, (_from, _to, port) => port);
    const origin = `http://127.0.0.1:${ports.get('productpage')}`;
    await untilComplete(origin, processes);
    return {
      origin,
      processes,
      usage: () => sumOf([]),
      beside: { apps: () => sumOf(processes.map(({ pid }) => usage(pid))) },
    };
  },
};
