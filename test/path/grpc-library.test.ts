// gRPC as its own library for Node speaks it, on both sides of two sidecars with certificates. Its client comes through the tunnel that
// it asks a proxy for, as it does under `mesh run`.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, test } from 'node:test';
import {
  type CallOptions,
  Client,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientUnaryCall,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { until } from '../until.ts';
import { type RunningDataPlane, startDataPlane } from './data-plane.ts';
import { testAuthority } from './identities.ts';

const CALLER = '127.56.0.1';
const SERVER = '127.56.0.2';
/** What a message may have, unless a side says otherwise. */
const MOST_BYTES = 4 << 20;

const closers: (() => unknown)[] = [];
let caller: RunningDataPlane;
let server: RunningDataPlane;
let client: Client;
/** Calls that the application has had, and those of which it was told that they are over before it was done. */
let begun = 0;
let cancelled = 0;
let deadlines: (number | undefined)[] = [];

const plain = (message: Buffer): Buffer => message;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  ...{ path: `/test.Echo/${name}`, requestStream, responseStream },
  ...{ requestSerialize: plain, requestDeserialize: plain, responseSerialize: plain, responseDeserialize: plain },
});
const METHODS = {
  Unary: method('Unary', false, false),
  Gather: method('Gather', true, false),
  Spread: method('Spread', false, true),
  Chat: method('Chat', true, true),
  Check: { ...method('Check', false, false), path: '/grpc.health.v1.Health/Check' },
  Watch: { ...method('Watch', false, true), path: '/grpc.health.v1.Health/Watch' },
};
type Duplex = ServerDuplexStream<Buffer, Buffer>;
const watchers: ServerWritableStream<Buffer, Buffer>[] = [];

const application = {
  Unary(call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void {
    const noticed = notice(call);
    const word = call.request.toString('latin1', 0, 20);
    if (word === 'never') return;
    noticed.done = true;
    if (word === 'refused') {
      const metadata = new Metadata();
      metadata.set('x-why', 'because');
      reply({ code: status.FAILED_PRECONDITION, details: 'not “now”', metadata });
      return;
    }
    const head = new Metadata();
    for (const name of ['x-word', 'x-word-bin']) {
      for (const value of call.metadata.get(name)) head.add(name, value);
    }
    call.sendMetadata(head);
    const trailers = new Metadata();
    trailers.set('x-trailer-bin', Buffer.of(0, 255));
    reply(null, call.request, trailers);
  },
  Gather(call: ServerReadableStream<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void {
    notice(call);
    const all: Buffer[] = [];
    call.on('data', (message: Buffer) => all.push(message));
    call.on('end', () => reply(null, Buffer.concat(all)));
  },
  async Spread(call: ServerWritableStream<Buffer, Buffer>): Promise<void> {
    notice(call);
    for (const byte of call.request) {
      if (!call.write(Buffer.alloc(byte, 'x'))) await once(call, 'drain');
    }
    call.end();
  },
  Chat(call: Duplex): void {
    notice(call);
    call.on('data', (message: Buffer) => call.write(message));
    call.on('end', () => call.end());
  },
  /** SERVING. */
  Check: (_: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => reply(null, Buffer.of(8, 1)),
  Watch(call: ServerWritableStream<Buffer, Buffer>): void {
    watchers.push(call);
    call.write(Buffer.of(8, 1));
  },
};

function notice(call: { on(event: 'cancelled', told: () => void): unknown; getDeadline(): Date | number }) {
  begun++;
  const deadline = call.getDeadline();
  deadlines.push(deadline === Number.POSITIVE_INFINITY ? undefined : Number(deadline) - Date.now());
  const noticed = { done: false };
  // The library tells so of every call that is over.
  call.on('cancelled', () => {
    if (!noticed.done) cancelled++;
  });
  return noticed;
}

const at = (id: string, address: string, port: number, services: string[]) => ({
  ...{ id, name: `${id}-1`, workload: id, namespace: 'default', serviceAccount: id, trustDomain: 'cluster.local' },
  ...{ labels: { app: id }, services, address, port, appPort: 50051, weight: 1, locality: '', tls: true },
});

before(async () => {
  const authority = await testAuthority();
  const app = new Server();
  app.addService(METHODS, application);
  const port = await new Promise<number>((resolve, reject) => {
    app.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  server = await startDataPlane({
    ...{ address: SERVER, labels: { app: 'orders' }, serviceAccount: 'orders', appPort: port, appProtocol: 'grpc' },
  });
  caller = await startDataPlane({ address: CALLER, labels: { app: 'shop' }, serviceAccount: 'shop' });
  server.plane.setIdentity(await authority.identity('orders'));
  caller.plane.setIdentity(await authority.identity('shop'));
  for (const { told } of [server, caller]) {
    told([at('shop', CALLER, 0, []), at('orders', SERVER, server.ports.inbound, ['orders'])]);
  }
  client = clientByProxy();
  closers.push(
    authority.close,
    server.close,
    caller.close,
    () => app.forceShutdown(),
    () => client.close(),
  );
});

after(async () => {
  for (const close of closers.reverse()) await close();
});

beforeEach(() => {
  begun = 0;
  cancelled = 0;
  deadlines = [];
  server.records.length = 0;
});

/** As `mesh run` would have it: the environment says which proxy is asked. */
function clientByProxy(options: ClientOptions = {}): Client {
  process.env.grpc_proxy = `http://${CALLER}:${caller.ports.outbound}`;
  const made = new Client('orders:50051', credentials.createInsecure(), options);
  delete process.env.grpc_proxy;
  return made;
}

interface Answer {
  readonly message: Buffer | undefined;
  readonly error: ServiceError | null;
  readonly head: Metadata;
  readonly trailers: Metadata;
}

function unary(message: Buffer, metadata = new Metadata(), options: CallOptions = {}, by = client): Promise<Answer> {
  return called((told) => by.makeUnaryRequest('/test.Echo/Unary', plain, plain, message, metadata, options, told));
}

type Told = (error: ServiceError | null, message?: Buffer) => void;

function called(begin: (told: Told) => ClientUnaryCall): Promise<Answer> {
  return new Promise((resolve) => {
    let head = new Metadata();
    let answer: Pick<Answer, 'error' | 'message'> | null = null;
    let trailers: Metadata | null = null;
    const done = (): void => {
      if (answer !== null && trailers !== null) resolve({ ...answer, head, trailers });
    };
    const call = begin((error, message) => {
      answer = { error, message };
      done();
    });
    call.on('metadata', (value) => (head = value));
    call.on('status', ({ metadata }) => {
      trailers = metadata;
      done();
    });
  });
}

const chat = (): ClientDuplexStream<Buffer, Buffer> => client.makeBidiStreamRequest('/test.Echo/Chat', plain, plain);

test('a unary call has its message, and metadata both ways, bytes as well', async () => {
  const metadata = new Metadata();
  for (const value of ['one', 'two']) metadata.add('x-word', value);
  metadata.set('x-word-bin', Buffer.of(0, 1, 255));
  const { message, error, head, trailers } = await unary(Buffer.from('hello'), metadata);
  assert.deepEqual([error, message?.toString()], [null, 'hello']);
  assert.deepEqual(head.get('x-word').join(', '), 'one, two');
  assert.deepEqual(head.get('x-word-bin'), [Buffer.of(0, 1, 255)]);
  assert.deepEqual(trailers.get('x-trailer-bin'), [Buffer.of(0, 255)]);
  await server.ended(1);
  const [{ code, path, principal, source }] = server.records;
  assert.deepEqual([code, path, source], [200, '/test.Echo/Unary', 'shop']);
  assert.match(principal, /\/sa\/shop$/);
  assert.equal((await unary(Buffer.alloc(0))).message?.length, 0);
});

test('a client that names the service and dials its sidecar reaches it, too', async () => {
  const direct = new Client(`${CALLER}:${caller.ports.outbound}`, credentials.createInsecure(), {
    'grpc.default_authority': 'orders:50051',
  });
  const { message } = await unary(Buffer.from('hello'), undefined, {}, direct);
  assert.equal(message?.toString(), 'hello');
  direct.close();
});

test('messages stream from the client, from the server, and both ways at a time', async () => {
  const gathered = await called((told) => {
    const call = client.makeClientStreamRequest('/test.Echo/Gather', plain, plain, told);
    for (let i = 0; i < 100; i++) call.write(Buffer.of(i));
    call.end();
    return call;
  });
  assert.deepEqual(gathered.message, Buffer.from(Array.from({ length: 100 }, (_, i) => i)));

  const sizes: number[] = [];
  const asked = [1, 0, 255, 7];
  const spread = client.makeServerStreamRequest('/test.Echo/Spread', plain, plain, Buffer.from(asked));
  spread.on('data', (message: Buffer) => sizes.push(message.length));
  await once(spread, 'end');
  assert.deepEqual(sizes, asked);

  const call = chat();
  for (const word of ['one', 'two', 'three']) {
    call.write(Buffer.from(word));
    assert.equal((await once(call, 'data'))[0].toString(), word);
  }
  call.end();
  const [{ code }] = await once(call.resume(), 'status');
  assert.equal(code, status.OK);
});

test('what a server answers in trailers alone is told with its details and metadata', async () => {
  const { error } = await unary(Buffer.from('refused'));
  assert.deepEqual([error?.code, error?.details], [status.FAILED_PRECONDITION, 'not “now”']);
  assert.deepEqual(error?.metadata.get('x-why'), ['because']);
  const none = await called((told) => client.makeUnaryRequest('/test.Echo/None', plain, plain, Buffer.alloc(0), told));
  assert.equal(none.error?.code, status.UNIMPLEMENTED);
});

test('a deadline reaches the server, and ends the call at both', async () => {
  const { error } = await unary(Buffer.from('never'), undefined, { deadline: Date.now() + 300 });
  // Whoever is the first to notice: proxies say it as Envoy does.
  if (error?.code === status.UNAVAILABLE) assert.equal(error.details, 'upstream request timeout');
  else assert.equal(error?.code, status.DEADLINE_EXCEEDED);
  assert.equal(begun, 1);
  assert.ok(deadlines[0] !== undefined && deadlines[0] <= 300, `${deadlines}`);
  await until('the server gives up', () => cancelled === 1);
  await unary(Buffer.from('hello'));
  assert.equal(deadlines[1], undefined);
});

test('a call that the client cancels is cancelled at the server, and no other', async () => {
  const [one, two] = [chat(), chat()];
  for (const call of [one, two]) {
    call.on('error', () => undefined);
    call.write(Buffer.from('x'));
    await once(call, 'data');
  }
  one.cancel();
  await until('the server gives up', () => cancelled === 1);
  two.write(Buffer.from('y'));
  assert.equal((await once(two, 'data'))[0].toString(), 'y');
  assert.equal(cancelled, 1);
  two.end();
  await once(two.resume(), 'status');
});

test('large messages pass, those that are too large are the server’s to refuse, and compressed ones are nobody’s business', async () => {
  const large = Buffer.alloc(MOST_BYTES - 100, 'large');
  assert.ok((await unary(large)).message?.equals(large));
  assert.equal((await unary(Buffer.alloc(MOST_BYTES + 1))).error?.code, status.RESOURCE_EXHAUSTED);
  const packing = clientByProxy({ 'grpc.default_compression_algorithm': 2 });
  const zeros = Buffer.alloc(1 << 20);
  assert.ok((await unary(zeros, undefined, {}, packing)).message?.equals(zeros));
  packing.close();
});

test('many calls at a time over one connection are each answered with what they have sent', async () => {
  const words = Array.from({ length: 200 }, (_, i) => `call ${i}`);
  const answers = await Promise.all(words.map((word) => unary(Buffer.from(word))));
  assert.deepEqual(
    answers.map(({ message }) => message?.toString()),
    words,
  );
});

test('a health service answers like every other, and tells of changes', async () => {
  const { message } = await called((told) =>
    client.makeUnaryRequest(METHODS.Check.path, plain, plain, Buffer.alloc(0), told),
  );
  assert.deepEqual(message, Buffer.of(8, 1));
  const watch = client.makeServerStreamRequest(METHODS.Watch.path, plain, plain, Buffer.alloc(0));
  watch.on('error', () => undefined);
  assert.deepEqual((await once(watch, 'data'))[0], Buffer.of(8, 1));
  watchers[0].write(Buffer.of(8, 2));
  assert.deepEqual((await once(watch, 'data'))[0], Buffer.of(8, 2));
  watch.cancel();
});

test('a policy of the server refuses a method with gRPC’s status', async () => {
  server.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: orders }
spec: { action: DENY, rules: [{ to: [{ operation: { paths: [/test.Echo/Unary] } }] }] }`);
  const { error } = await unary(Buffer.from('hello'));
  assert.deepEqual([error?.code, error?.details], [status.PERMISSION_DENIED, 'RBAC: access denied']);
  assert.equal(begun, 0);
  const call = chat();
  call.write(Buffer.from('x'));
  assert.equal((await once(call, 'data'))[0].toString(), 'x');
  call.cancel();
  call.on('error', () => undefined);
  server.unconfigure();
});
