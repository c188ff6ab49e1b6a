// READ FIRST. A request's life in one shard, there and back, a stage a sentence. This is the path itself: what stands here runs
// for every request, and what a stage does is in the file that it is imported from.
//
//   there   socket -> listener -> codec -> [ identify -> normalise -> route -> filters -> router ] -> cluster -> pool -> codec -> upstream
//   back    upstream -> codec -> attempt -> [ router -> filters that were entered, in reverse ] -> codec -> socket
//   end     access log, metrics
//
// What is no HTTP goes its own way, tcp/carried-connection.ts: bytes to a cluster's endpoint and back.
//
// Every failure on the way is a code of errors.ts and becomes an answer in exchange/local-reply.ts, and nowhere else. Whether a
// failed attempt is followed by another is decided in builtins/retry/verdict.ts. Every exchange ends once, in its finish().

import type { FailureCode } from './errors.ts';
import { Exchange } from './exchange/exchange.ts';
import {
  beginAttempts,
  changeLocalResponse,
  changeRequest,
  changeResponse,
  chooseTarget,
  routeReply,
} from './exchange/forward.ts';
import { unwebbed } from './exchange/grpc-web.ts';
import { identify } from './exchange/identify.ts';
import { lastHop } from './exchange/max-forwards.ts';
import type { ExchangeStages } from './exchange/stages.ts';
import type { Codecs, DownstreamStream, Receiver, ServerConnection, ServerHandler } from './http/codec.ts';
import { DetectedConnection, mayBeHttp2 } from './http/detect.ts';
import type { Head } from './http/head.ts';
import { LazyCodec } from './http/lazy-codec.ts';
import { serverOptions } from './http/limits.ts';
import { normalizePath } from './http/path.ts';
import { http1 } from './http1/codec.ts';
import type { TunnelHandler } from './http1/tunnel.ts';
import { BLOCK_ALL } from './router/block-all.ts';
import { chooseHost, findHost } from './router/choose.ts';
import { findRoute } from './router/route-index.ts';
import type { ListenerContext } from './shard/context.ts';
import { CarriedConnection } from './tcp/carried-connection.ts';
import { awaitGreeting, type Greeting } from './tcp/greeting.ts';
import { NamedConnection } from './tcp/named-connection.ts';
import type { ServerNames, TcpPort, TcpService } from './tcp/service.ts';
import { SniffedConnection } from './tcp/sniffed-connection.ts';
import { tunnelService } from './tcp/tunnel-service.ts';
import { beginsTls } from './transport/arrival.ts';
import type { ServeConnection, ServedConnection } from './transport/listener.ts';
import { countMisdeclared } from './transport/listener-counts.ts';
import type { ClientHello } from './transport/tls/client-hello.ts';
import type { Transport } from './transport/transport.ts';

/** Who asks for a tunnel. */
const PLAIN = { memo: null, tls: null };

/** What reads and writes connections to clients and to upstreams, by what they speak. */
export const CODECS: Codecs = {
  'http/1.1': http1,
  h2: new LazyCodec(100, async () => (await import('./http2/codec.ts')).http2),
  'weft-multiplexed': new LazyCodec(8, async () => (await import('./http2/codec.ts')).multiplexed),
};

/**
 * There: a connection that a listener (transport/listener.ts) has accepted is read by the codec of what it speaks, request by request,
 * or carried as it is.
 */
export function connectionPath(listener: ListenerContext, codecs: Codecs): ServeConnection {
  const { spec, shard } = listener;
  const onFault = (text: string): void => shard.log('debug', 'listener', `${spec.name}: ${text}`);
  const options = { ...serverOptions(spec.kind, shard.timers), onFault };
  const requests = (transport: Transport, destination: string | null): DetectedConnection =>
    new DetectedConnection(transport, codecs, handler, destination === null ? options : { ...options, destination });
  const handler = requestPath(listener, requests);
  const serve = (transport: Transport): ServedConnection => requests(transport, null);
  return (transport, greeting) => {
    // Who has agreed to it in the handshake speaks it, whatever the application does.
    const carried = transport.tls?.alpn === 'weft-multiplexed' ? null : carriedBy(listener);
    if (carried !== null) return carry(listener, transport, carried, greeting);
    const { detected, detectMs } = shard.snapshot.tcp;
    if (spec.kind !== 'inbound' || detected === null || saysHttp(transport)) {
      greeting?.abandon();
      return serve(transport);
    }
    if (greeting !== null) return carry(listener, transport, detected, greeting);
    return new SniffedConnection(transport, {
      ...{ timers: shard.timers, detectMs, idleMs: options.idleTimeoutMs, lineMs: options.headerTimeoutMs },
      greet: (told) => awaitGreeting(shard, told),
      serve: (there, spoken, heard) => {
        // What guards the port may have come since.
        const now = shard.snapshot.tcp.detected;
        if (spoken === 'http/1.1') return codecs[spoken].serve(there, handler, options);
        if (spoken === 'h2' || now === null) return serve(there);
        if (spoken === 'tls') return new NamedConnection(listener, there, () => now.other);
        return carry(listener, there, now, heard);
      },
    });
  };
}

/** By what it has agreed to in the handshake. */
function saysHttp({ tls }: Transport): boolean {
  return tls !== null && tls.alpn !== '' && tls.alpn !== 'istio';
}

/** Where connections of this listener are carried as bytes; null: they are HTTP. */
function carriedBy({ spec, shard: { snapshot } }: ListenerContext): TcpPort | null {
  const { inbound, upstreams, gateways } = snapshot.tcp;
  if (spec.upstream !== undefined) return upstreams.get(spec.upstream) ?? NOWHERE;
  if (spec.kind === 'gateway') return gateways.get(spec.configuredPort) ?? null;
  return spec.kind === 'inbound' ? inbound : null;
}

function carry(
  listener: ListenerContext,
  transport: Transport,
  { names, other }: TcpPort,
  greeting: Greeting | null,
): ServedConnection {
  if (names === null) return new CarriedConnection(listener, transport, other, greeting ?? listener.shard);
  return new NamedConnection(listener, transport, (hello) => (hello === null ? null : passes(names, hello)) ?? other);
}

/** Null: nothing is said of its name, or only of who offers to speak something else. */
function passes(names: ServerNames, { serverName, protocols }: ClientHello): TcpService | null {
  const found = names.find(serverName);
  const offered = found?.offered ?? null;
  return offered === null || protocols.some((protocol) => offered.includes(protocol)) ? found : null;
}

const NOWHERE: TcpPort = Object.freeze({
  names: null,
  other: { name: '', service: '', port: 0, offered: null, routes: [] },
});

function requestPath(
  listener: ListenerContext,
  requests: (transport: Transport, destination: string) => ServerConnection,
): ServerHandler & TunnelHandler {
  const outbound = listener.spec.kind === 'outbound';
  const inbound = listener.spec.kind === 'inbound';
  const ended = listener.spec.kind === 'gateway';
  return {
    /** A head has arrived. What is returned receives the body and trailers as they come. */
    onRequest(stream: DownstreamStream, head: Head, end: boolean): Receiver {
      const exchange = new Exchange(STAGES, listener, stream, head, end);
      if (listener.shard.active > listener.shard.options.maxActiveRequests) return refuse(exchange, 'overload');
      if (ended && stream.connection.tls !== null) head.scheme = 'https';
      // RFC 9110 7.4: what was meant for TLS did not come by it; what is to leave by it is not for us to read.
      else if (head.scheme === 'https' && !(inbound && saysScheme(stream))) {
        return refuse(exchange, outbound ? 'tls_unsupported' : 'misdirected');
      }
      // From here on the normalised path is the path: matched, authorised, logged and forwarded.
      if (!normalizePath(head)) return refuse(exchange, 'bad_path');
      identify(exchange);
      const failure = STAGES.route(exchange);
      if (failure !== null) return refuse(exchange, failure);
      // What browsers send in the place of gRPC is gRPC from here on, and its answer what they expect.
      const receiver = exchange.host!.grpcWeb ? unwebbed(exchange) : exchange;
      // Each filter lets it pass, holds it or answers; the last one leaves it to the router (STAGES.upstream).
      exchange.enterFilters();
      return receiver;
    },
    onMalformed(stream, reason, head) {
      if (reason === 'not_http' || reason === 'tls_not_http') countMisdeclared(listener.counts);
      new Exchange(STAGES, listener, stream, head, true).fail(reason);
    },
    /** A tunnel to the authority that it names: for TLS, or for requests that go there. */
    onConnect({ authority }: Head): FailureCode | null {
      const { shard } = listener;
      if (shard.active >= shard.options.maxActiveRequests) return 'overload';
      const destination = findHost(listener, shard.snapshot, authority, PLAIN);
      if (destination === BLOCK_ALL) return 'unregistered';
      return typeof destination === 'string' ? destination : null;
    },
    carry(transport, authority, first) {
      if (!beginsTls(first)) return mayBeHttp2(first) ? requests(transport, authority) : null;
      return new NamedConnection(listener, transport, (hello) =>
        tunnelService(listener, authority, hello?.serverName ?? null),
      );
    },
  };
}

/** In the frames of HTTP/2, whatever they carry, a gateway that has ended TLS tells of the scheme that its client used. */
function saysScheme({ protocol, connection: { tls } }: DownstreamStream): boolean {
  return protocol === 'HTTP/2' || tls?.alpn === 'weft-multiplexed';
}

const STAGES: ExchangeStages<Exchange> = {
  /** Which virtual host it names, and which of that host's routes takes it. Asked again when a filter changed the head. */
  route(exchange: Exchange): FailureCode | null {
    const { listener, snapshot, requestHead: head, stream } = exchange;
    const host = chooseHost(listener, snapshot, head, stream.destination, exchange.connection);
    if (typeof host === 'string') return host;
    exchange.host = host;
    const route = findRoute(host, head, exchange) ?? host.unrouted;
    if (route === null) return 'no_route';
    exchange.route = route;
    return null;
  },

  /** The router: the route answers by itself, or one of its targets is chosen and an attempt is made at its cluster. */
  upstream(exchange: Exchange, end: boolean): void {
    const { action } = exchange.route!;
    if (action.type === 'unmatched') {
      exchange.fail('no_route');
      return;
    }
    if (action.type !== 'forward') {
      exchange.reply(routeReply(exchange, action));
      return;
    }
    const { method } = exchange.requestHead;
    const last = method === 'OPTIONS' || method === 'TRACE' ? lastHop(exchange.requestHead) : null;
    if (last !== null) {
      exchange.reply(last);
      return;
    }
    const target = chooseTarget(action, exchange.shard.random);
    exchange.target = target;
    if (target.cluster === null) {
      exchange.fail('no_cluster');
      return;
    }
    if (!changeRequest(exchange, target, action)) {
      exchange.fail('bad_rewrite');
      return;
    }
    // The attempt takes an endpoint from the cluster's balancer and a connection from the endpoint's pool.
    beginAttempts(exchange, action, target.cluster, end);
  },

  /** Back: the last attempt's answer has begun. The entered filters see it in reverse, then the client's codec. */
  response: changeResponse,

  /** Back from here: what the route does to responses holds for those that the proxy gives by itself, too. */
  localResponse: changeLocalResponse,

  /** The one end: the sink writes the access log and counts. */
  ended(exchange: Exchange): void {
    exchange.shard.sink.exchangeEnded(exchange, exchange.snapshot.telemetry);
  },
};

function refuse(exchange: Exchange, reason: FailureCode): Exchange {
  exchange.fail(reason);
  return exchange;
}
