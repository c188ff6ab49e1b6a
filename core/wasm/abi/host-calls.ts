// Host functions: calls of a guest to other services. What a guest may not do is answered by a status that the public SDKs
// hand to their author as an error, with one line in the log that says why.

import { Head } from '../../http/head.ts';
import { type HostFunction, Status } from './abi.ts';
import { grpcClusterName } from './grpc-service.ts';
import type { Guest } from './guest.ts';
import { replaceAll } from './header-map.ts';
import { decodePairs, type Pair } from './pairs.ts';
import type { Caller, Upstream } from './upstreams.ts';

/** Bytes of a request that a guest may send. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
const MAX_NAME = 1024;
const MAY_BE_EMPTY: ReadonlySet<string> = new Set([':authority', ':scheme', 'host']);
const REQUIRED = [':method', ':path', ':authority'] as const;
/** Different complaints of one instance that are logged, each once: a guest makes the same mistake at every request. */
const MAX_COMPLAINTS = 32;

export function callFunctions(vm: Guest): Record<string, HostFunction> {
  const { memory, host, httpCalls } = vm;
  const complained = new Set<string>();

  /** Logs why a call is refused, the first time. */
  const refuse = (status: number, why: string): number => {
    if (!complained.has(why) && complained.size < MAX_COMPLAINTS) {
      complained.add(why);
      host.log('warning', vm.current?.plugin.name ?? '', why);
    }
    return status;
  };

  const pairsAt = (at: number, length: number): Pair[] => decodePairs(memory.bytes.subarray(at, at + length));

  /** There is no HTTP/2 client to carry gRPC: a service that is known cannot be called, one that is not never could. */
  const grpc = (name: string, upstream: number, length: number): number => {
    memory.attach();
    if (!memory.holds(upstream, length)) return Status.InvalidMemoryAccess;
    const cluster = length > MAX_NAME ? '' : grpcClusterName(memory.bytes.subarray(upstream, upstream + length));
    const by = vm.effective?.plugin.spec;
    if (cluster === '' || by === undefined || host.upstreams.find(cluster, by) === null) {
      return refuse(Status.ParseFailure, `${name}: ${nothingKnown(cluster)}`);
    }
    return refuse(
      Status.InternalFailure,
      `${name}: gRPC calls of filters are not supported; "${cluster}" is not called`,
    );
  };

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
    proxy_grpc_call: (upstream: number, length: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_grpc_call');
      return grpc('proxy_grpc_call', upstream >>> 0, length >>> 0);
    },
    proxy_grpc_stream: (upstream: number, length: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_grpc_stream');
      return grpc('proxy_grpc_stream', upstream >>> 0, length >>> 0);
    },
    // No gRPC call has begun, so none has this id.
    proxy_grpc_send: () => {
      if (vm.stage !== 'running') vm.forbid('proxy_grpc_send');
      return Status.NotFound;
    },
    proxy_grpc_cancel: () => {
      if (vm.stage !== 'running') vm.forbid('proxy_grpc_cancel');
      return Status.NotFound;
    },
    proxy_grpc_close: () => {
      if (vm.stage !== 'running') vm.forbid('proxy_grpc_close');
      return Status.NotFound;
    },
    proxy_get_status: (codeAt: number, pointerAt: number, lengthAt: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_status');
      memory.attach();
      if (!memory.holds(codeAt >>> 0, 4)) return Status.InvalidMemoryAccess;
      memory.setU32(codeAt >>> 0, httpCalls.statusCode);
      return vm.giveText(httpCalls.statusText, pointerAt >>> 0, lengthAt >>> 0);
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
