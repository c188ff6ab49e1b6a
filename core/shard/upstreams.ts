// Connections to endpoints, for their pools and for what is carried as bytes: each in the TLS that its endpoint is spoken to in, read by
// the codec of what both sides agreed on. What asks for TLS and cannot have it gets no connection, and never one in plain text.

import type { EndpointTls } from '../cluster/endpoint-tls.ts';
import type { PoolEndpoint, PoolEnvironment } from '../cluster/pool.ts';
import type { Credential } from '../credential.ts';
import type { ClientConnection, ClientOptions, Codec, Codecs } from '../http/codec.ts';
import { CLIENT_OPTIONS } from '../http/limits.ts';
import type { Timers } from '../timers.ts';
import type { Dialer } from '../transport/dial.ts';
import type { Protocol } from '../transport/protocol.ts';
import type { Origination } from '../transport/tls/origination.ts';
import { Originators } from '../transport/tls/originators.ts';
import type { OutboundTls } from '../transport/tls/outbound.ts';
import type { Transport } from '../transport/transport.ts';
import type { ShardContext } from './context.ts';
import { TlsTargets } from './tls-targets.ts';

type Connected = (transport: Transport) => void;
type Failed = (text: string) => void;

export class Upstreams implements PoolEnvironment {
  readonly timers: Timers;
  private readonly codecs: Codecs;
  private readonly dialer: Dialer;
  private readonly tls: OutboundTls;
  private readonly targets = new TlsTargets();
  private readonly originators: Originators;
  private readonly options: ClientOptions;

  constructor(codecs: Codecs, dialer: Dialer, tls: OutboundTls, { timers, log }: Pick<ShardContext, 'timers' | 'log'>) {
    this.codecs = codecs;
    this.dialer = dialer;
    this.tls = tls;
    this.timers = timers;
    this.originators = new Originators(log);
    this.options = { ...CLIENT_OPTIONS, onFault: (text) => log('debug', 'upstream', text) };
  }

  /** For connections that are begun from now on. Null: it is no more. */
  learn(name: string, credential: Credential | null): void {
    this.originators.secrets.learn(name, credential);
  }

  expectedStreams(protocol: Protocol): number {
    return this.codecs[protocol].expectedStreams;
  }

  dial(
    endpoint: PoolEndpoint,
    opened: (connection: ClientConnection) => void,
    failed: Failed,
    protocol: Protocol,
    header: Buffer | null,
  ): () => void {
    const source = this.codecs[protocol];
    const dial = (codec: Codec): (() => void) => {
      const connected = (transport: Transport): void => {
        const alone = fallsBack(protocol, endpoint.tls, transport.tls?.alpn ?? '');
        opened((alone ? this.codecs['http/1.1'] : codec).connect(transport, this.options));
      };
      return this.connect(endpoint, connected, failed, protocol, header);
    };
    if (!('load' in source)) return dial(source);
    if (source.codec !== null) return dial(source.codec);
    return later((go) => {
      void source.load().then((codec) => go(() => dial(codec)));
    });
  }

  /** Calls one of the two once, later. `header`: what it begins with, in front of TLS that leaves the mesh. Returns what gives up on it. */
  connect(
    endpoint: PoolEndpoint,
    connected: Connected,
    failed: Failed,
    protocol: Protocol | 'bytes',
    header: Buffer | null,
  ): () => void {
    const { address, port, tls } = endpoint;
    if (tls !== null && tls.origination !== null) {
      return this.originate(endpoint, tls.origination, connected, failed, protocol, header);
    }
    // Without a certificate of its own it is as it was before there were any, unless a rule says otherwise.
    if (tls === null || !(this.tls.ready || tls.required)) {
      return this.dialer.dial(address, port, connected, failed, null, header);
    }
    if (!this.tls.ready) return failing('this workload has no certificate yet', failed);
    return this.dialer.dial(address, port, connected, failed, this.targets.inMesh(endpoint, protocol), header);
  }

  private originate(
    endpoint: PoolEndpoint,
    asked: Origination,
    connected: Connected,
    failed: Failed,
    protocol: Protocol | 'bytes',
    header: Buffer | null,
  ): () => void {
    return later((go) =>
      this.originators.contextFor(
        asked,
        (context) => {
          const originated = { context, verified: asked.verified };
          const target = this.targets.outside(endpoint, originated, offers(protocol, asked));
          go(() => this.dialer.dial(endpoint.address, endpoint.port, connected, failed, target, header));
        },
        (text) => go(() => failing(text, failed)),
      ),
    );
  }
}

/** To who is outside of the mesh. */
function offers(protocol: Protocol | 'bytes', { fallsBack }: Origination): readonly string[] {
  if (protocol === 'bytes') return [];
  return protocol === 'h2' && fallsBack ? ['h2', 'http/1.1'] : [protocol];
}

/** Who was asked for more has not agreed to it: each request of HTTP/1.1 has the connection to itself. */
function fallsBack(wished: Protocol, tls: EndpointTls | null, agreed: string): boolean {
  if (wished === 'weft-multiplexed') return agreed !== wished;
  return wished === 'h2' && agreed !== 'h2' && tls?.origination?.fallsBack === true;
}

function failing(text: string, failed: Failed): () => void {
  const told = setImmediate(failed, `TLS_error: ${text}`);
  return () => clearImmediate(told);
}

/** Begins once it is known how. */
function later(prepare: (go: (dial: () => () => void) => void) => void): () => void {
  let abandoned = false;
  let abandon = (): void => {
    abandoned = true;
  };
  prepare((dial) => {
    if (!abandoned) abandon = dial();
  });
  return () => abandon();
}
