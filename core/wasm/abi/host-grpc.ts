// Host functions: gRPC calls and streams of a guest to other services, over HTTP/2 whatever a service is spoken to in. What is refused is
// answered by the statuses that the public SDKs survive, with one line in the log that says why.

import { Head } from '../../http/head.ts';
import { type HostFunction, Status } from './abi.ts';
import type { GrpcCaller } from './grpc-calls.ts';
import { framed } from './grpc-framing.ts';
import { type GrpcService, grpcService } from './grpc-service.ts';
import type { Guest } from './guest.ts';
import { replaceAll } from './header-map.ts';
import { mayCall, nothingKnown } from './host-calls.ts';
import { decodePairs } from './pairs.ts';
import { refusals } from './refusals.ts';
import type { Upstream } from './upstreams.ts';

/** Bytes of a message that a guest may send. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** And of what names an upstream, a service or a method. */
const MAX_SERVICE = 4096;
/** Metadata that is the call's own. */
const OWN: ReadonlySet<string> = new Set(['content-type', 'grpc-timeout', 'host']);

interface Asked {
  readonly plugin: GrpcCaller;
  readonly upstream: Upstream;
  readonly head: Head;
}

export function grpcFunctions(vm: Guest): Record<string, HostFunction> {
  const { memory, host, grpcCalls } = vm;
  const refuse = refusals(vm);

  /** Whom it is for and its head; or the status that says why it is not made. */
  const asked = (
    name: string,
    [
      upstream,
      upstreamLength,
      service,
      serviceLength,
      method,
      methodLength,
      metadata,
      metadataLength,
    ]: readonly number[],
  ): Asked | number => {
    const context = vm.effective;
    if (context === null) return Status.InternalFailure;
    const { plugin } = context;
    const to = upstreamLength > MAX_SERVICE ? NOBODY : grpcService(memory.copyOut(upstream, upstreamLength));
    const found = to.cluster === '' ? null : host.upstreams.find(to.cluster, plugin.spec);
    if (found === null) return refuse(Status.ParseFailure, `${name}: ${nothingKnown(to.cluster)}`);
    if (!mayCall(plugin.spec, found)) {
      return refuse(Status.ParseFailure, `${name}: "${to.cluster}" is not among the upstreams of the plugin`);
    }
    const head = Head.request('POST', '', '');
    const text = (at: number, length: number): string => memory.latin1(at, Math.min(length, MAX_SERVICE));
    const own = decodePairs(memory.bytes.subarray(metadata, metadata + metadataLength));
    const written = replaceAll(head, 'request', [
      [':path', `/${text(service, serviceLength)}/${text(method, methodLength)}`],
      [':authority', to.authority || authorityOf(to.cluster, found)],
      ...[...to.metadata, ...own].filter(([field]) => !field.startsWith(':') && !OWN.has(field)),
      ['content-type', 'application/grpc'],
    ]);
    if (written === 'malformed') return refuse(Status.ParseFailure, `${name}: a service, method or authority is none`);
    head.add('te', 'trailers');
    head.contentLength = -1;
    return { plugin, upstream: found, head };
  };

  /** Of a call that is under way: its plugin, or null. */
  const caller = (name: string): GrpcCaller | null => {
    if (vm.stage !== 'running') vm.forbid(name);
    memory.attach();
    return vm.effective?.plugin ?? null;
  };

  return {
    proxy_grpc_call: (
      a: number,
      b: number,
      c: number,
      d: number,
      e: number,
      f: number,
      g: number,
      h: number,
      message: number,
      length: number,
      timeoutMs: number,
      out: number,
    ) => {
      if (vm.stage !== 'running') vm.forbid('proxy_grpc_call');
      memory.attach();
      const names = unsigned(a, b, c, d, e, f, g, h);
      if (!holdsAll(vm, [...names, message >>> 0, length >>> 0, out >>> 0, 4])) return Status.InvalidMemoryAccess;
      const call = asked('proxy_grpc_call', names);
      if (typeof call === 'number') return call;
      if (length >>> 0 > MAX_MESSAGE_BYTES) {
        return refuse(Status.InternalFailure, `proxy_grpc_call: a message has more than ${MAX_MESSAGE_BYTES} bytes`);
      }
      const { plugin, upstream, head } = call;
      const within = timeoutMs >>> 0;
      // Of eight digits at most.
      if (within > 0) head.add('grpc-timeout', within < 1e8 ? `${within}m` : `${Math.ceil(within / 1000)}S`);
      const body = framed(memory.bytes.subarray(message >>> 0, (message >>> 0) + (length >>> 0)));
      const request = { plugin: plugin.name, head, body, trailers: null, timeoutMs: within, http2: true };
      const id = grpcCalls.call(plugin, upstream, request);
      if (id === 0) return refuse(Status.InternalFailure, 'proxy_grpc_call: too many calls wait for their answer');
      memory.setU32(out >>> 0, id);
      return Status.Ok;
    },
    proxy_grpc_stream: (
      a: number,
      b: number,
      c: number,
      d: number,
      e: number,
      f: number,
      g: number,
      h: number,
      out: number,
    ) => {
      if (vm.stage !== 'running') vm.forbid('proxy_grpc_stream');
      memory.attach();
      const names = unsigned(a, b, c, d, e, f, g, h);
      if (!holdsAll(vm, [...names, out >>> 0, 4])) return Status.InvalidMemoryAccess;
      const call = asked('proxy_grpc_stream', names);
      if (typeof call === 'number') return call;
      const { plugin, upstream, head } = call;
      if (upstream.open === undefined) {
        return refuse(
          Status.InternalFailure,
          'proxy_grpc_stream: only plugins in shards open streams, not those with isolation: pool or in trials',
        );
      }
      const id = grpcCalls.open(plugin, upstream.open, head);
      if (id === 0) return refuse(Status.InternalFailure, 'proxy_grpc_stream: too many calls and streams are open');
      memory.setU32(out >>> 0, id);
      return Status.Ok;
    },
    proxy_grpc_send: (id: number, message: number, length: number, end: number) => {
      const plugin = caller('proxy_grpc_send');
      if (!memory.holds(message >>> 0, length >>> 0)) return Status.InvalidMemoryAccess;
      if (plugin === null) return Status.NotFound;
      if (length >>> 0 > MAX_MESSAGE_BYTES) {
        return refuse(Status.BadArgument, `proxy_grpc_send: a message has more than ${MAX_MESSAGE_BYTES} bytes`);
      }
      const bytes = memory.bytes.subarray(message >>> 0, (message >>> 0) + (length >>> 0));
      const sent = grpcCalls.send(plugin, id >>> 0, bytes, end !== 0);
      if (sent === 'sent') return Status.Ok;
      if (sent === 'unknown') return Status.NotFound;
      if (sent !== 'too many') return Status.BadArgument;
      return refuse(Status.BadArgument, 'proxy_grpc_send: too many bytes wait to be sent');
    },
    proxy_grpc_cancel: (id: number) => {
      const plugin = caller('proxy_grpc_cancel');
      return plugin !== null && grpcCalls.cancel(plugin, id >>> 0) ? Status.Ok : Status.NotFound;
    },
    proxy_grpc_close: (id: number) => {
      const plugin = caller('proxy_grpc_close');
      return plugin !== null && grpcCalls.close(plugin, id >>> 0) ? Status.Ok : Status.NotFound;
    },
  };
}

const NOBODY: GrpcService = { cluster: '', authority: '', metadata: [] };

/** Envoy's is the cluster's name; those that are no authority stand for a service that has one. */
function authorityOf(cluster: string, { service }: Upstream): string {
  return /^[\w.:-]+$/.test(cluster) ? cluster : service;
}

function unsigned(...numbers: number[]): number[] {
  return numbers.map((number) => number >>> 0);
}

/** `ranges`: places and lengths in turn. */
function holdsAll({ memory }: Guest, ranges: readonly number[]): boolean {
  for (let i = 0; i < ranges.length; i += 2) if (!memory.holds(ranges[i], ranges[i + 1])) return false;
  return true;
}
