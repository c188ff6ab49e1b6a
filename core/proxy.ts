// READ FIRST. The data plane of one shard, and a request's life in it from socket to socket, a stage a sentence:
//
//   listener -> codec -> [ identify -> normalise -> choose route -> filters -> router ] -> cluster -> pool -> upstream
//   and back through the filters that the request entered, in reverse -> codec -> access log, metrics
//
// Every failure on the way is a code of errors.ts and becomes an answer in rescue.ts; every exchange ends once, in
// Exchange.finish.

import type { FailureCode } from './errors.ts';
import { Exchange } from './exchange/exchange.ts';
import { identify } from './exchange/identify.ts';
import type { DownstreamStream, Receiver, ServerHandler } from './http/codec.ts';
import type { Head } from './http/head.ts';
import { normalizePath } from './http/path.ts';
import { chooseRoute, outboundHost } from './router/choose.ts';
import { splitAuthority } from './router/hosts.ts';
import type { ListenerContext } from './shard/context.ts';

const HTTPS_PORT = 443;

/** What a request lives through. One handler per listener. */
export function requestPath(listener: ListenerContext): ServerHandler {
  return {
    onRequest(stream: DownstreamStream, head: Head, end: boolean): Receiver {
      const exchange = new Exchange(listener, stream, head, end);
      if (listener.shard.active > listener.shard.options.maxActiveRequests) return refuse(exchange, 'overload');
      if (head.method === 'CONNECT') return openTunnel(exchange);
      if (head.scheme === 'https') return refuse(exchange, 'tls_unsupported');
      if (!normalizePath(head)) return refuse(exchange, 'bad_path');
      identify(exchange);
      const failure = chooseRoute(exchange);
      if (failure !== null) return refuse(exchange, failure);
      exchange.run(exchange.route!);
      return exchange;
    },
    onMalformed(stream, reason, head) {
      new Exchange(listener, stream, head, true).fail(reason);
    },
    onConnectionClosed() {},
  };
}

function refuse(exchange: Exchange, reason: FailureCode): Exchange {
  exchange.fail(reason);
  return exchange;
}

/** A client that believes it speaks through a tunnel: its bytes are requests to the authority it named. */
function openTunnel(exchange: Exchange): Exchange {
  const { authority } = exchange.requestHead;
  const { snapshot, shard, stream } = exchange;
  // What would come through it is TLS, which the codec behind it cannot read.
  if (splitAuthority(authority).port === HTTPS_PORT) return refuse(exchange, 'tls_unsupported');
  const destination = outboundHost(snapshot, shard, authority);
  if (typeof destination === 'string') return refuse(exchange, destination);
  stream.acceptTunnel(authority);
  exchange.becameTunnel();
  return exchange;
}
