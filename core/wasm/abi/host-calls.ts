// Host functions: HTTP calls of a guest to other services. What a guest may not do is answered by a status that the public SDKs
// hand to their author as an error, with one line in the log that says why.

import { Head } from '../../http/head.ts';
import { type HostFunction, Status } from './abi.ts';
import type { Guest } from './guest.ts';
import { replaceAll } from './header-map.ts';
import { decodePairs, type Pair } from './pairs.ts';
import { refusals } from './refusals.ts';
import type { Caller, Upstream } from './upstreams.ts';

/** Bytes of a request that a guest may send. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
const MAX_NAME = 1024;
const MAY_BE_EMPTY: ReadonlySet<string> = new Set([':authority', ':scheme', 'host']);
const REQUIRED = [':method', ':path', ':authority'] as const;

export function callFunctions(vm: Guest): Record<string, HostFunction> {
  const { memory, host, httpCalls, grpcCalls } = vm;
  const refuse = refusals(vm);

  const pairsAt = (at: number, length: number): Pair[] => decodePairs(memory.bytes.subarray(at, at + length));

  return {
    proxy_http_call: (
      upstream: number,
      upstreamLength: number,
      headers: number,
      headersLength: number,
      body: number,
      bodyLength: number,
      trailers: number,
      trailersLength: number,
      timeoutMs: number,
      out: number,
    ) => {
      if (vm.stage !== 'running') vm.forbid('proxy_http_call');
      memory.attach();
      if (
        !memory.holds(upstream >>> 0, upstreamLength >>> 0) ||
        !memory.holds(headers >>> 0, headersLength >>> 0) ||
        !memory.holds(body >>> 0, bodyLength >>> 0) ||
        !memory.holds(trailers >>> 0, trailersLength >>> 0) ||
        !memory.holds(out >>> 0, 4)
      ) {
        return Status.InvalidMemoryAccess;
      }
      const context = vm.effective;
      if (context === null) return Status.BadArgument;
      const pairs = pairsAt(headers >>> 0, headersLength >>> 0);
      const absent = REQUIRED.find((name) => !pairs.some(([given]) => given === name));
      if (absent !== undefined) return refuse(Status.BadArgument, `proxy_http_call: the headers lack ${absent}`);
      const head = Head.request('', '', '');
      // That they are there is enough, as in Envoy: a service may have its name from the cluster alone.
      const said = pairs.filter(([name, value]) => value !== '' || !MAY_BE_EMPTY.has(name));
      if (replaceAll(head, 'request', said) === 'malformed') {
        return refuse(Status.BadArgument, 'proxy_http_call: a pseudo-header is not what a request can have');
      }
      if (bodyLength >>> 0 > MAX_REQUEST_BYTES) {
        return refuse(Status.InternalFailure, `proxy_http_call: a body has more than ${MAX_REQUEST_BYTES} bytes`);
      }
      const name = upstreamLength >>> 0 > MAX_NAME ? '' : memory.utf8(upstream >>> 0, upstreamLength >>> 0);
      const found = host.upstreams.find(name, context.plugin.spec);
      if (found === null) return refuse(Status.BadArgument, `proxy_http_call: ${nothingKnown(name)}`);
      if (!mayCall(context.plugin.spec, found)) {
        return refuse(Status.BadArgument, `proxy_http_call: "${name}" is not among the upstreams of the plugin`);
      }
      const fields = pairsAt(trailers >>> 0, trailersLength >>> 0);
      const { plugin } = context;
      head.contentLength = fields.length > 0 ? -1 : bodyLength >>> 0;
      const id = httpCalls.begin(plugin, found, {
        plugin: plugin.name,
        head,
        body: memory.copyOut(body >>> 0, bodyLength >>> 0),
        trailers: fields.length > 0 ? Head.response(0, fields) : null,
        timeoutMs: timeoutMs >>> 0,
        http2: false,
      });
      if (id === 0) return refuse(Status.InternalFailure, 'proxy_http_call: too many calls wait for their answer');
      memory.setU32(out >>> 0, id);
      return Status.Ok;
    },
    proxy_get_status: (codeAt: number, pointerAt: number, lengthAt: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_status');
      memory.attach();
      if (!memory.holds(codeAt >>> 0, 4)) return Status.InvalidMemoryAccess;
      // Of the call whose end the running callback tells of.
      memory.setU32(codeAt >>> 0, httpCalls.statusCode || grpcCalls.statusCode);
      return vm.giveText(httpCalls.statusText || grpcCalls.statusText, pointerAt >>> 0, lengthAt >>> 0);
    },
  };
}

/** `auth` is a service of the plugin's own namespace, `auth.shop` one of another, all else a full name. */
export function mayCall({ mayCall, name }: Caller, { service }: Upstream): boolean {
  if (mayCall === null) return true;
  const namespace = name.slice(0, Math.max(0, name.indexOf('/')));
  return mayCall.some((allowed) => {
    const full = allowed.includes('.') ? allowed : `${allowed}.${namespace}`;
    return service === allowed || service === full || service.startsWith(`${full}.svc.`);
  });
}

export function nothingKnown(name: string): string {
  return `the mesh knows no service or cluster ${JSON.stringify(name.slice(0, 200))}, and filters call nothing else`;
}
