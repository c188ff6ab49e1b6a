// The one thing that a meshed app does for the mesh: it passes on, to the calls it makes, the headers of the call it serves.
import type { FastifyRequest } from 'fastify';

const PASSED_ON = [
  'x-request-id',
  // Traces: W3C, B3, and those of vendors.
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'x-ot-span-context',
  'x-datadog-trace-id',
  'x-datadog-parent-id',
  'x-datadog-sampling-priority',
  'x-cloud-trace-context',
  'grpc-trace-bin',
  'sw8',
  // The app's own: who asks.
  'end-user',
  'user-agent',
  'cookie',
  'authorization',
  'jwt',
];

export function passedOn(request: FastifyRequest): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  return headers;
}
