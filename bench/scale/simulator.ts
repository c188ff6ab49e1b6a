// One thread of simulated proxies: to NATS and the control plane each is a whole proxy (its own user, connection, lease, answers,
// the product's own source of configuration), with nothing behind it that serves requests.
import { parentPort, workerData } from 'node:worker_threads';
import { NKey } from '../../bus/users/nkey.ts';
import { Api } from '../../cli/api.ts';
import type { Context } from '../../cli/context.ts';
import { BusSource } from '../../core/main/bus-source.ts';
import { Configuration } from '../../core/main/configuration.ts';
import { WorkloadCertificate } from '../../core/main/workload-certificate.ts';
import type { ToShard } from '../../core/shard/protocol.ts';
import type { Shards } from '../../core/threads/shards.ts';
import type { Node } from '../../core/workload.ts';

export interface Simulated {
  readonly context: Context;
  /** Numbers of its proxies: from the first on. */
  readonly first: number;
  readonly count: number;
}

/** How far its proxies are. */
export interface Progress {
  readonly connected: number;
  /** Those that run this revision or a later one. */
  readonly running: number;
  /** Of the one that knows the fewest. */
  readonly leastEndpoints: number;
}

export type Question = { readonly ask: 'progress'; readonly revision: number } | { readonly ask: 'end' };

const SERVICES = 100;
const SECRETS = '/config_dump?resource=secrets';
const TRUST_DOMAIN = 'cluster.local';

interface Simulation {
  readonly source: BusSource;
  readonly configuration: Configuration;
  /** Who has endpoints, as its shards were told: what is counted all the time shall not cost what is measured. */
  readonly serving: Set<string>;
}

const { context, first, count } = workerData as Simulated;
const simulations = Array.from({ length: count }, (_, i) => simulate(first + i));
for (const { source } of simulations) void source.start();

parentPort!.on('message', async (question: Question) => {
  if (question.ask === 'progress') {
    const running = simulations.filter(
      ({ configuration }) => (configuration.running?.revision ?? -1) >= question.revision,
    );
    const progress: Progress = {
      connected: simulations.filter(({ source }) => !source.status().includes('cannot be reached')).length,
      running: running.length,
      leastEndpoints: Math.min(...simulations.map(({ serving }) => serving.size)),
    };
    parentPort!.postMessage(progress);
    return;
  }
  await Promise.all(simulations.map(({ source }) => source.close()));
  parentPort!.postMessage(null);
  parentPort!.close();
});

function simulate(number: number): Simulation {
  const node = nodeOf(number);
  const serving = new Set<string>();
  const shards = {
    born: 0,
    post: (message: ToShard) => {
      if (message.type !== 'endpoints') return;
      for (const key of message.update.removals) serving.delete(key);
      for (const [key, { endpoints }] of message.update.upserts) if (endpoints.length > 0) serving.add(key);
    },
    configure: async () => [{ ok: true, problems: [] }],
    greetAgain: async () => {},
  };
  const configuration = new Configuration(
    {
      node,
      fixed: [],
      gatewayAddress: '127.0.0.1',
      gatewayPorts: {},
      log: () => {},
      plugins: {
        prepare: async () => ({ modules: [], problems: [], missing: [], isolated: false }),
        adopted: async () => {},
        modules: [],
      },
      credentials: { prepare: async () => [] },
      filterThreads: { start: async () => {} },
      onAdopted: () => {},
    },
    () => shards as unknown as Shards,
  );
  const certificate = new WorkloadCertificate({ node, stateDir: null, log: () => {}, changed: () => {} });
  const source = new BusSource({
    bus: { ...context.bus, name: node.name, user: userOf(node) },
    node,
    configuration,
    log: () => {},
    state: null,
    certificate,
    credentials: { follow: async () => {} },
    // Of its certificates alone, which a rotation asks for.
    ask: async ({ path }) =>
      path === SECRETS
        ? { status: 200, type: 'application/json', body: JSON.stringify({ secrets: certificate.secrets() }) }
        : { status: 404, type: 'text/plain', body: '' },
    version: '0.0.0',
    leaseTtlMs: 15_000,
    register: true,
    shards: () => 1,
    admin: () => `http://${node.address}:15000`,
    inbound: () => ({ address: node.address, port: 15006 }),
  });
  return { source, configuration, serving };
}

function userOf({ namespace, serviceAccount, id }: Node) {
  const api = new Api(context);
  return {
    identity: { namespace, serviceAccount, node: id },
    seed: NKey.generate('user').seed,
    jwt: '',
    enrol: (publicKey: string) => api.enrol(id, { namespace, serviceAccount, publicKey }),
    keep: () => {},
  };
}

function nodeOf(number: number): Node {
  const service = `service-${number % SERVICES}`;
  const workload = `${service}-v1`;
  const name = `${workload}-${number}`;
  const address = `127.${1 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
  return {
    id: `sidecar~${address}~${name}.default~default.svc.cluster.local`,
    name,
    workload,
    namespace: 'default',
    serviceAccount: service,
    trustDomain: TRUST_DOMAIN,
    labels: { app: service, version: 'v1' },
    role: 'sidecar',
    address,
    app: { address: '127.0.0.1', port: 8080 },
    services: [service],
  };
}
