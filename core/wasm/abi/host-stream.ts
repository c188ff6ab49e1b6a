// Host functions: the course of a stream. What they ask for begins after the callback has returned.

import type { LocalReply } from '../../exchange/filter.ts';
import { fieldAllowed } from '../../http/head.ts';
import type { Side } from '../../tcp/network-filter.ts';
import { type HostFunction, Status, StreamType } from './abi.ts';
import type { Guest, HttpContext } from './guest.ts';
import { decodePairs } from './pairs.ts';

const NOT_OURS = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
]);

export function streamFunctions(vm: Guest): Record<string, HostFunction> {
  const { memory } = vm;

  const resume = (type: number): number => {
    const connection = vm.effective?.connection;
    if (connection) {
      const side = sideOf(type);
      if (side !== null) connection.ask('resume', side);
      return type >>> 0 > StreamType.Upstream ? Status.BadArgument : Status.Ok;
    }
    const stream = streamOf(vm);
    if (stream === null) return Status.Ok;
    if (type === StreamType.Request) stream.ask('request');
    else if (type === StreamType.Response) stream.ask('response');
    else if (type >>> 0 > StreamType.Upstream) return Status.BadArgument;
    return Status.Ok;
  };

  return {
    proxy_continue_stream: (type: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_continue_stream');
      return resume(type);
    },
    proxy_continue_request: () => {
      if (vm.stage !== 'running') vm.forbid('proxy_continue_request');
      return resume(StreamType.Request);
    },
    proxy_continue_response: () => {
      if (vm.stage !== 'running') vm.forbid('proxy_continue_response');
      return resume(StreamType.Response);
    },
    proxy_close_stream: (type: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_close_stream');
      if (type >>> 0 > StreamType.Upstream) return Status.BadArgument;
      const connection = vm.effective?.connection;
      if (connection) {
        const side = sideOf(type);
        if (side !== null) connection.ask('close', side);
        return Status.Ok;
      }
      streamOf(vm)?.ask(type === StreamType.Response ? 'close response' : 'close request');
      return Status.Ok;
    },
    proxy_clear_route_cache: () => {
      if (vm.stage !== 'running') vm.forbid('proxy_clear_route_cache');
      vm.effective?.stream?.clearRouteCache();
      return Status.Ok;
    },
    proxy_send_local_response: (
      code: number,
      details: number,
      detailsLength: number,
      body: number,
      bodyLength: number,
      headers: number,
      headersLength: number,
      grpcStatus: number,
    ) => {
      if (vm.stage !== 'running') vm.forbid('proxy_send_local_response');
      memory.attach();
      if (
        !memory.holds(details >>> 0, detailsLength >>> 0) ||
        !memory.holds(body >>> 0, bodyLength >>> 0) ||
        !memory.holds(headers >>> 0, headersLength >>> 0)
      ) {
        return Status.InvalidMemoryAccess;
      }
      const stream = streamOf(vm);
      if (stream === null) return Status.BadArgument;
      const from = headers >>> 0;
      stream.reply({
        status: code >= 200 && code <= 599 ? code : 500,
        details: memory.latin1(details >>> 0, detailsLength >>> 0).replaceAll(' ', '_'),
        body: memory.copyOut(body >>> 0, bodyLength >>> 0),
        fields: replyFields(memory.bytes.subarray(from, from + (headersLength >>> 0))),
        grpcStatus: grpcStatus >= 0 && grpcStatus <= 16 ? grpcStatus : -1,
      });
      return Status.Ok;
    },
    proxy_set_effective_context: (id: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_set_effective_context');
      return vm.actFor(id >>> 0) ? Status.Ok : Status.BadArgument;
    },
    proxy_done: () => {
      if (vm.stage !== 'running') vm.forbid('proxy_done');
      const context = vm.effective;
      if (context === null) return Status.NotFound;
      return context.finished() ? Status.Ok : Status.NotFound;
    },
  };
}

/** The exchange that a guest speaks for, until it has ended. */
function streamOf({ effective }: Guest): HttpContext | null {
  return effective === null || effective.stream === null ? null : effective.http;
}

function sideOf(type: number): Side | null {
  return type === StreamType.Downstream ? 'downstream' : type === StreamType.Upstream ? 'upstream' : null;
}

/** What a guest may put into its answer: no pseudo-headers (some send :status), nothing of the framing. */
function replyFields(bytes: Buffer): LocalReply['fields'] {
  return decodePairs(bytes).filter(
    ([name, value]) =>
      !name.startsWith(':') && !NOT_OURS.has(name) && name !== 'transfer-encoding' && fieldAllowed(name, value),
  );
}
