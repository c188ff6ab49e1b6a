// gRPC's own: deadlines of calls, retries by its codes, faults in its form.
import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect } from 'node:http2';
import { after, before, beforeEach, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import { type RunningDataPlane, startDataPlane } from './data-plane.ts';
import { type Answer, ask, type Http2App, startHttp2App } from './http2-app.ts';

let app: Http2App;
let plane: RunningDataPlane;
let client: ClientHttp2Session;
let messages: (number | undefined)[] = [];

before(async () => {
  app = await startHttp2App();
  plane = await startDataPlane({
    sink: {
      exchangeEnded: ({ messages: of }) => {
        messages = [of?.received.count, of?.sent.count];
      },
    },
  });
  client = connect(`http://127.0.0.1:${plane.ports.outbound}`);
});

after(async () => {
  client.destroy();
  plane.close();
  await app.close();
});

beforeEach(() => plane.unconfigure());

/** To the application under this rule. */
function route(http = '', end = 'route: [{ destination: { host: grpc.example } }]'): void {
  plane.apply(
    `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: grpc }
spec:
  hosts: [grpc.example]
  resolution: STATIC
  ports: [{ number: 80, name: grpc, protocol: GRPC, targetPort: ${app.port} }]
  endpoints: [{ address: 127.0.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: grpc }
spec: { hosts: [grpc.example], http: [{ ${http} ${end} }] }
`,
  );
}

function rpc(path: string, more: Record<string, string> = {}): Promise<Answer> {
  const head = { ':method': 'POST', ':path': path, ':authority': 'grpc.example', te: 'trailers' };
  return ask(client, { ...head, 'content-type': 'application/grpc+proto', ...more }, Buffer.alloc(5));
}

const last = () => {
  const { code, flags, attempts } = plane.records.at(-1)!;
  return [code, flagNames(flags), attempts];
};

test('a call that says how long it may take is answered by then', async () => {
  route();
  const { status, headers } = await rpc('/silent', { 'grpc-timeout': '50m' });
  assert.deepEqual([status, headers['grpc-status']], [200, '14']);
  assert.deepEqual(last(), [200, 'UT', 1]);
});

test('the deadline that is sooner counts, the route’s or the call’s, and the server is told', async () => {
  route('timeout: 0.1s,');
  for (const asked of ['1H', '90M', '3S', '99999999m']) {
    assert.equal((await rpc('/silent', { 'grpc-timeout': asked })).headers['grpc-status'], '14', asked);
  }
  route('timeout: 20s,');
  assert.equal(JSON.parse((await rpc('/seen', { 'grpc-timeout': '1M' })).body).headers['grpc-timeout'], '20000m');
  assert.equal(JSON.parse((await rpc('/seen', { 'grpc-timeout': '15S' })).body).headers['grpc-timeout'], '15S');
  assert.equal((await rpc('/silent', { 'grpc-timeout': '60000u' })).headers['grpc-status'], '14');
});

test('a deadline that is none, or of what is no call, counts for nothing', async () => {
  route();
  for (const asked of ['0m', '5', '5x', '123456789m', '-1S']) {
    assert.equal((await rpc('/echo', { 'grpc-timeout': asked })).trailers['grpc-status'], '0', asked);
  }
  const plain = { 'grpc-timeout': '1n', 'content-type': 'text/plain' };
  assert.equal((await rpc('/seen', plain)).status, 200);
});

test('a rule with gRPC’s codes has calls tried again that are answered with them', async () => {
  route("retries: { attempts: 2, retryOn: 'cancelled,resource-exhausted,unavailable' },");
  assert.equal((await rpc('/trailers-only')).headers['grpc-status'], '5');
  assert.deepEqual(last(), [200, '-', 1]);
  assert.equal((await rpc('/status/14')).headers['grpc-status'], '14');
  assert.deepEqual(last(), [200, 'URX', 3]);
  assert.equal((await rpc('/status/8')).headers['grpc-status'], '8');
  assert.deepEqual(last(), [200, 'URX', 3]);
});

test('messages are counted both ways, and those of a call that the proxy answers', async () => {
  route();
  await rpc('/echo');
  assert.deepEqual(messages, [1, 1]);
  await rpc('/trailers-only');
  assert.deepEqual(messages, [1, 0]);
  await rpc('/seen', { 'content-type': 'text/plain' });
  assert.deepEqual(messages, [undefined, undefined]);
});

test('what is said to a call is readable where it can be, and escaped byte by byte where it cannot', async () => {
  const said = async (body: string) => {
    route('', `directResponse: { status: 403, body: ${body} }`);
    const { headers } = await rpc('/echo');
    return [headers['grpc-status'], headers['grpc-message']];
  };
  assert.deepEqual(await said(`{ string: "a: b~c%d é /x" }`), ['7', 'a: b%7Ec%25d %C3%A9 /x']);
  assert.deepEqual(await said(`{ bytes: ${Buffer.from(' é\n ').toString('base64')} }`), ['7', '%20%C3%A9%0A%20']);
});

test('a fault with grpcStatus is one to a call', async () => {
  route('fault: { abort: { grpcStatus: UNAVAILABLE, percentage: { value: 100 } } },');
  const { status, headers } = await rpc('/echo');
  assert.deepEqual([status, headers['grpc-status'], headers['grpc-message']], [200, '14', 'fault filter abort']);
  assert.deepEqual(last(), [200, 'FI', 0]);
});
