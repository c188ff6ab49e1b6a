// Upstreams of HTTP/2 that are asked whether they are there, as a rule's http2KeepAlive says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as f from '../../core/http2/frames.ts';
import { frame } from '../core/http2/raw.ts';
import { call, startDataPlane, startTcp } from './data-plane.ts';

const yaml = (port: number): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: up }
spec:
  hosts: [up.example]
  resolution: STATIC
  ports: [{ number: 80, name: http2, protocol: HTTP2, targetPort: ${port} }]
  endpoints: [{ address: 127.0.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: up }
spec:
  host: up.example
  trafficPolicy: { connectionPool: { http: { http2KeepAlive: { interval: 0.05s, timeout: 2s }, maxRetries: 1 } } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: up }
spec: { hosts: [up.example], http: [{ retries: { attempts: 0 }, route: [{ destination: { host: up.example } }] }] }
`;

/** A server that takes everything, answers PINGs so often, and the request when it does not any more or has answered enough. */
async function upstream(answers: number, then: 'silence' | 'answer') {
  let pings = 0;
  const app = await startTcp((socket) => {
    let bytes = Buffer.alloc(0);
    let at = f.PREFACE.length;
    socket.write(Buffer.concat([frame(f.SETTINGS, 0, 0), frame(f.SETTINGS, f.ACK, 0)]));
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= at + f.FRAME_HEAD && bytes.length >= at + f.FRAME_HEAD + bytes.readUIntBE(at, 3)) {
        const payload = bytes.subarray(at + f.FRAME_HEAD, at + f.FRAME_HEAD + bytes.readUIntBE(at, 3));
        if (bytes[at + 3] === f.PING && ++pings <= answers) socket.write(frame(f.PING, f.ACK, 0, Buffer.from(payload)));
        // ':status: 200', which ends the stream.
        if (pings === answers && then === 'answer') {
          socket.write(frame(f.HEADERS, f.END_HEADERS | f.END_STREAM, 1, Buffer.of(0x88)));
        }
        at += f.FRAME_HEAD + payload.length;
      }
    });
  });
  return { port: app.port, close: app.close, pings: () => pings };
}

for (const [what, answers, then, status] of [
  ['that no longer answers is given up', 2, 'silence', 503],
  ['that answers is waited for', 4, 'answer', 200],
] as const) {
  test(`an upstream ${what}`, async (t) => {
    const up = await upstream(answers, then);
    const plane = await startDataPlane({ yaml: yaml(up.port).split('---') });
    t.after(() => {
      plane.close();
      up.close();
    });
    const answer = await call({ port: plane.ports.outbound, headers: { host: 'up.example' } });
    assert.equal(answer.status, status);
    assert.ok(up.pings() >= answers);
  });
}
