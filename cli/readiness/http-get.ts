// A probe that asks for a page: every status from 200 to 399 is ready, and nobody's certificate is looked at, as with Kubernetes.

import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import type { Probe } from './watch.ts';

export function httpGet(url: URL): Probe {
  const send = url.protocol === 'https:' ? requestTls : request;
  return {
    what: `GET ${url.href}`,
    check: (signal) =>
      new Promise((resolve) => {
        // A connection of its own each time, and past any proxy that the environment names.
        const asked = send(url, {
          ...{ agent: false, signal, rejectUnauthorized: false },
          headers: { 'user-agent': 'kube-probe/weft', accept: '*/*' },
        });
        asked.on('response', ({ statusCode = 0 }) => {
          resolve(statusCode >= 200 && statusCode < 400 ? '' : `it answers ${statusCode}`);
          asked.destroy();
        });
        asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.message || (error.code ?? 'it fails')));
        asked.end();
      }),
  };
}
