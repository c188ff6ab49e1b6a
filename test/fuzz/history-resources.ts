// Small valid resources of every kind that a snapshot is made of, by chance: few names, so that they meet, and much that is
// there in one and gone in the next.

/** [0, 1) */
export type Random = () => number;

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[Math.floor(random() * items.length)];
}

function some<Item>(random: Random, items: readonly Item[]): Item[] {
  return items.filter(() => random() < 0.5);
}

const NAMESPACES = ['default', 'default', 'shop', 'istio-system'];
const HOSTS = ['a', 'b', 'c.example', 'd.example', '*.example'];
const EGRESS = ['./*', '~/*', '*/*', 'shop/*', '*/c.example', '*/*.example', 'default/a.default.svc.cluster.local'];
const SUBSETS = ['v1', 'v2'];
const APPS = ['a', 'b', 'web'];
const MATCHES = [
  { uri: { prefix: '/x%2fy' } },
  { uri: { exact: '/a' }, method: { exact: 'GET' } },
  { uri: { regex: '/[a-z]+' }, ignoreUriCase: true },
  { headers: { 'end-user': { exact: 'jason' } }, withoutHeaders: { x: { regex: '.*' } } },
  { sourceLabels: { app: 'web' } },
  { sourceNamespace: 'shop' },
  { port: 80, queryParams: { q: { prefix: '1' } } },
  { gateways: ['mesh'] },
];

type Make = (random: Random) => object;

const exportTo: Make = (random) =>
  pick(random, [{}, {}, {}, { exportTo: ['.'] }, { exportTo: ['*'] }, { exportTo: ['shop'] }]);
const maybe = (random: Random, part: object): object => (random() < 0.4 ? part : {});

function destination(random: Random): object {
  const to = { host: pick(random, ['a', 'b.shop.svc.cluster.local', 'c.example', 'd.example', 'gone']) };
  return {
    destination: {
      ...to,
      ...maybe(random, { subset: pick(random, SUBSETS) }),
      ...maybe(random, { port: { number: 80 } }),
    },
  };
}

function route(random: Random): object {
  const common = {
    ...maybe(random, { name: pick(random, ['r', 's']) }),
    ...maybe(random, { match: some(random, MATCHES) }),
    ...maybe(random, {
      headers: { request: { set: { x: pick(random, ['1', '%REQ(y)%']) } }, response: { add: { z: '2' } } },
    }),
  };
  const kind = random();
  if (kind < 0.2) return { ...common, directResponse: { status: pick(random, [200, 403]) } };
  if (kind < 0.35) return { ...common, redirect: { uri: '/to' } };
  const to = [destination(random), ...maybeList(random, destination)].map((each) => ({
    ...each,
    weight: 1 + Math.floor(random() * 3),
  }));
  return {
    ...common,
    route: to,
    ...maybe(random, { timeout: pick(random, ['1s', '2s']) }),
    ...maybe(random, { rewrite: { uri: '/b', authority: 'x.test' } }),
    ...maybe(random, { retries: { attempts: 2 } }),
    ...maybe(random, { fault: { abort: { httpStatus: 418, percentage: { value: 5 } } } }),
    ...maybe(random, { corsPolicy: { allowOrigins: [{ exact: 'https://a.test' }] } }),
  };
}

function maybeList<Item>(random: Random, make: (random: Random) => Item): Item[] {
  return random() < 0.4 ? [make(random)] : [];
}

const SPECS: Readonly<Record<string, readonly [api: string, make: Make]>> = {
  Service: [
    'v1',
    (random) => ({
      selector: { app: pick(random, APPS) },
      ports: [
        { name: 'http', port: pick(random, [80, 9080]), targetPort: pick(random, [80, 8080]) },
        ...maybeList(random, () => ({ name: 'http-b', port: 81 })),
      ],
    }),
  ],
  ServiceEntry: [
    'networking.istio.io/v1',
    (random) => {
      const how = pick(random, [
        {
          resolution: 'STATIC',
          endpoints: [
            {
              address: pick(random, ['192.0.2.1', '192.0.2.2']),
              weight: pick(random, [1, 2]),
              labels: { version: pick(random, SUBSETS) },
            },
          ],
        },
        { resolution: 'STATIC', workloadSelector: { labels: { app: pick(random, APPS) } } },
        { resolution: 'DNS', endpoints: [{ address: pick(random, ['one.test', 'two.test']) }] },
        { resolution: 'NONE' },
      ]);
      return {
        hosts: [pick(random, ['c.example', 'd.example', '*.example', 'E.example'])],
        ports: [{ number: pick(random, [80, 81]), name: 'http', protocol: 'HTTP' }],
        ...how,
        ...exportTo(random),
      };
    },
  ],
  WorkloadEntry: [
    'networking.istio.io/v1',
    (random) => ({
      address: pick(random, ['192.0.2.8', '192.0.2.9']),
      labels: { app: pick(random, APPS), version: pick(random, SUBSETS) },
      ...maybe(random, { ports: { http: 3001 } }),
    }),
  ],
  DestinationRule: [
    'networking.istio.io/v1',
    (random) => ({
      host: pick(random, ['a', 'b', 'c.example', '*.example', '*', 'a.default.svc.cluster.local']),
      ...maybe(random, {
        trafficPolicy: {
          loadBalancer: { simple: pick(random, ['RANDOM', 'ROUND_ROBIN']) },
          connectionPool: { tcp: { maxConnections: 1 + Math.floor(random() * 4) } },
        },
      }),
      subsets: some(random, SUBSETS).map((name) => ({ name, labels: { version: name } })),
      ...(random() < 0.2 ? { workloadSelector: { matchLabels: { app: 'web' } } } : exportTo(random)),
    }),
  ],
  VirtualService: [
    'networking.istio.io/v1',
    (random) => ({
      hosts: [pick(random, HOSTS)],
      ...pick(random, [{}, {}, { gateways: ['default/edge'] }, { gateways: ['mesh', 'default/edge'] }]),
      http: [route(random), ...maybeList(random, route)],
      ...exportTo(random),
    }),
  ],
  Gateway: [
    'networking.istio.io/v1',
    (random) => ({
      selector: { istio: 'ingressgateway' },
      servers: [
        {
          port: { number: pick(random, [80, 8080]), name: 'http', protocol: 'HTTP' },
          hosts: [pick(random, ['*', '*.example', './c.example', 'shop/*'])],
          ...maybe(random, { tls: { httpsRedirect: random() < 0.5 } }),
        },
      ],
    }),
  ],
  AuthorizationPolicy: [
    'security.istio.io/v1',
    (random) => ({
      ...maybe(random, { selector: { matchLabels: { app: pick(random, APPS) } } }),
      action: pick(random, ['ALLOW', 'DENY']),
      rules: [{ to: [{ operation: { paths: [pick(random, ['/a', '/b*'])] } }] }],
    }),
  ],
  RequestAuthentication: [
    'security.istio.io/v1',
    (random) => ({ jwtRules: [{ issuer: pick(random, ['a', 'b']), jwks: '{"keys": []}' }] }),
  ],
  RateLimitPolicy: [
    'weft.dev/v1',
    (random) => ({ limits: [{ name: 'one', requests: 1 + Math.floor(random() * 3), per: '1s' }] }),
  ],
  FilterChain: [
    'weft.dev/v1',
    (random) => ({
      direction: pick(random, ['inbound', 'outbound', 'gateway']),
      insert: [{ filter: 'headers', after: 'fault', config: { request: { set: { a: pick(random, ['1', '2']) } } } }],
    }),
  ],
  Sidecar: [
    'networking.istio.io/v1',
    (random) => ({
      ...maybe(random, { workloadSelector: { labels: { app: pick(random, APPS) } } }),
      outboundTrafficPolicy: { mode: pick(random, ['ALLOW_ANY', 'REGISTRY_ONLY']) },
      egress: [
        ...maybeList(random, () => ({
          port: { number: pick(random, [80, 81]), name: 'http', protocol: 'HTTP' },
          hosts: [pick(random, EGRESS)],
        })),
        { hosts: [...new Set([pick(random, EGRESS), ...maybeList(random, () => pick(random, EGRESS))])] },
      ],
    }),
  ],
  Telemetry: ['telemetry.istio.io/v1', (random) => ({ accessLogging: [{ disabled: random() < 0.5 }] })],
};

const NAMES: Readonly<Record<string, readonly string[]>> = { Service: ['a', 'b'], Gateway: ['edge'] };
/** Those that refer to each other more often. */
export const KINDS = [
  ...Object.keys(SPECS),
  ...['Service', 'Service', 'ServiceEntry', 'VirtualService', 'VirtualService', 'DestinationRule', 'DestinationRule'],
];

/** Of a kind, in one of a few places. */
export function resourceText(random: Random, kind: string): string {
  const [apiVersion, make] = SPECS[kind];
  const metadata = {
    name: pick(random, NAMES[kind] ?? ['one', 'two']),
    namespace: pick(random, NAMESPACES),
    ...(kind === 'Service' && random() < 0.3
      ? { annotations: { 'networking.istio.io/exportTo': pick(random, ['.', '*', 'shop', '~', 'shop, default']) } }
      : {}),
  };
  return JSON.stringify({ apiVersion, kind, metadata, spec: make(random) });
}
