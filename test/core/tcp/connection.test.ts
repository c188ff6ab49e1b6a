// The seam for connections that are no HTTP: a relay that knows nothing but it goes through listener, network filters and dial.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { freePort } from '../../../bench/ports.ts';
import { Cluster, DEFAULT_POLICY } from '../../../core/cluster/cluster.ts';
import { Endpoint } from '../../../core/cluster/endpoint.ts';
import type { ConnectionRecord } from '../../../core/exchange/record.ts';
import type { ConnectionEnvironment } from '../../../core/tcp/connection.ts';
import { Timers } from '../../../core/timers.ts';
import { Dialer } from '../../../core/transport/dial.ts';
import { Listener, type ServedConnection } from '../../../core/transport/listener.ts';
import { Peers } from '../../../core/transport/peers.ts';
import { OutboundTls } from '../../../core/transport/tls/outbound.ts';
import type { Transport, TransportOwner } from '../../../core/transport/transport.ts';
import { startTcp } from '../../path/data-plane.ts';

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

/** Carries bytes from one transport to another, and the end of one side as the end of the other. */
class Half implements TransportOwner {
  private readonly to: Transport;
  private readonly from: Transport;
  private readonly closed: () => void;
  bytes = 0;

  constructor(from: Transport, to: Transport, closed: () => void) {
    this.from = from;
    this.to = to;
    this.closed = closed;
  }
  receive(piece: Buffer): void {
    this.bytes += piece.length;
    this.to.out.append(Buffer.from(piece));
    this.to.out.flush();
  }
  onEnd(): void {
    this.to.end();
  }
  onDrain(): void {
    this.from.resume();
  }
  onWriteFailed(): void {}
  onFinish(): void {}
  onClose(): void {
    this.closed();
  }
}

function relay(client: Transport, environment: ConnectionEnvironment): ServedConnection {
  const record: ConnectionRecord = { direction: 'inbound', connection: client, destinationPort: 0 };
  const served: ServedConnection = { drain() {}, destroy: () => client.destroy(), onClosed: null };
  const endpoint = environment.route(record)?.pick(null) ?? null;
  if (endpoint === null) {
    client.destroy();
    return served;
  }
  client.pause();
  let open = 2;
  environment.dial(
    endpoint.address,
    endpoint.port,
    (upstream) => {
      const closed = (): void => {
        if (--open > 0) return;
        environment.ended(record, there.bytes, back.bytes);
        served.onClosed?.();
      };
      const there = new Half(client, upstream, closed);
      const back = new Half(upstream, client, closed);
      client.start(there);
      upstream.start(back);
      client.resume();
    },
    () => client.destroy(),
  );
  return served;
}

test('a connection that is no HTTP goes from a listener to an endpoint of its cluster and back, half by half', async () => {
  const timers = new Timers(10);
  closers.push(() => timers.stop());
  const upstream = await startTcp((socket) => {
    socket.on('data', (data) => socket.write(data.toString().toUpperCase()));
    socket.on('end', () => socket.end('!'));
  });
  closers.push(upstream.close);
  const peers = new Peers();
  const dialer = new Dialer('', peers, new OutboundTls());
  const cluster = new Cluster(
    {
      name: 'inbound|5432||',
      kind: 'inbound',
      service: 'orders-db',
      port: 5432,
      subset: '',
      labels: {},
      policy: DEFAULT_POLICY,
      dns: [],
      tls: null,
      rule: '',
    },
    Math.random,
  );
  cluster.setEndpoints([
    new Endpoint({ timers, expectedStreams: () => 1, dial: () => () => {} }, '127.0.0.1', upstream.port),
  ]);
  const ends: number[][] = [];
  const environment: ConnectionEnvironment = {
    route: () => cluster,
    dial: (address, port, connected, failed) => dialer.dial(address, port, connected, failed),
    ended: (_record, received, sent) => ends.push([received, sent]),
  };
  const port = await freePort();
  const spec = { name: 'tcp', kind: 'inbound', address: '127.0.0.1', port, configuredPort: 0 } as const;
  const listener = new Listener(
    {
      spec,
      reusePort: false,
      peers,
      log: () => undefined,
    },
    (transport) => relay(transport, environment),
  );
  await listener.open();
  closers.push(() => listener.close());
  const client = connect(port, '127.0.0.1');
  client.end('select 1');
  assert.equal(await text(client), 'SELECT 1!');
  while (ends.length === 0) await new Promise(setImmediate);
  assert.deepEqual(ends, [[8, 9]]);
});
