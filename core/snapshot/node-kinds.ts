// For which proxies a state is compiled before it is committed: one of each kind that there is, and one of each that something
// in the state is for: a namespace, a selector, a target. Nobody has to run there yet.

import { isKind } from '../config/is-kind.ts';
import type { VirtualServiceSpec } from '../config/kinds/virtual-service.ts';
import type { Resource } from '../config/resource.ts';
import type { Node } from '../workload.ts';

/** A proxy that as many selectors as possible are for, and one for each of them alone. */
export interface NodeKind {
  readonly node: Node;
  readonly alone: readonly Node[];
}

type Labels = Readonly<Record<string, string>>;

/** Whom one resource is for. */
interface Aim {
  readonly namespace: string;
  readonly labels: Labels;
  /** Full enough to be compared: 'reviews.default'. */
  readonly services: readonly string[];
}

/** Gateways whose selectors do not contradict each other. */
interface Gateways {
  readonly namespace: string;
  labels: Labels;
}

interface Bundle extends Aim {
  labels: Labels;
  services: readonly string[];
  readonly aims: Map<string, Aim>;
  changed: boolean;
}

const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
const HOME = 'default';
/** More are not tried. */
const MAX_KINDS = 200;
const MAX_GATEWAYS = 20;

/**
 * Those that `changed` resources are for come first: not every kind of a large mesh can be tried each time. Of `resources`
 * those are enough that `isAimed` and those that changed; `namespaces` are those of the others.
 */
export function nodeKinds(
  resources: ReadonlyMap<string, Resource>,
  existing: readonly Node[],
  changed: ReadonlySet<string>,
  namespaces: Iterable<string> = [],
): NodeKind[] {
  const bundles = new Map<string, Bundle[]>([[HOME, [bundleOf(HOME)]]]);
  const of = (namespace: string): Bundle[] => {
    const own = bundles.get(namespace) ?? [bundleOf(namespace)];
    bundles.set(namespace, own);
    return own;
  };
  const gateways: Gateways[] = [];
  const names = new Set<string>([GATEWAY_NAME]);
  let placed = 0;
  const look = (key: string, resource: Resource): void => {
    const { namespace } = resource.metadata;
    if (namespace === '') return;
    const isNew = changed.has(key);
    if (isNew) of(namespace)[0].changed = true;
    if (isKind(resource, 'Gateway')) join(gateways, resource.spec.selector ?? {}, namespace);
    for (const aim of aimsOf(resource)) {
      for (const name of Object.keys(aim.labels)) names.add(name);
      if (placed < MAX_KINDS && place(aim, of(aim.namespace), isNew)) placed++;
    }
    of(namespace);
  };
  // For what changed there has to be room.
  for (const [key, resource] of resources) if (changed.has(key)) look(key, resource);
  for (const [key, resource] of resources) if (!changed.has(key)) look(key, resource);
  for (const namespace of namespaces) if (namespace !== '') of(namespace);
  const all = [...bundles.values()].flat().sort((a, b) => Number(b.changed) - Number(a.changed));
  const [first = { labels: {} }, ...others] = gateways;
  const planned = all
    .slice(0, MAX_KINDS)
    .flatMap((bundle) => [kindOf(bundle, 'sidecar', {}), kindOf(bundle, 'gateway', first.labels)]);
  const further = others.map(({ namespace, labels }) => kindOf(bundleOf(namespace), 'gateway', labels));
  const there = distinct(existing, names).map((node) => ({ node, alone: [] }));
  return [...planned.slice(0, 2), ...further, ...planned.slice(2), ...there].slice(0, MAX_KINDS);
}

/** Whether it is for some proxies only, or says which gateways there are. */
export function isAimed(resource: Resource): boolean {
  return isKind(resource, 'Gateway') || aimsOf(resource).length > 0;
}

function bundleOf(namespace: string): Bundle {
  return { namespace, labels: {}, services: [], aims: new Map(), changed: false };
}

/**
 * Into the first one that it does not contradict, and never into the namespace's first, which nothing selects. Whether that
 * took a new one.
 */
function place(aim: Aim, bundles: Bundle[], changed: boolean): boolean {
  const known = bundles.find(({ labels, aims }) => aims.size > 0 && agree(labels, aim.labels));
  const bundle = known ?? bundleOf(bundles[0].namespace);
  if (known === undefined) bundles.push(bundle);
  bundle.labels = { ...bundle.labels, ...aim.labels };
  bundle.services = [...new Set([...bundle.services, ...aim.services])];
  bundle.aims.set(JSON.stringify(aim), aim);
  bundle.changed ||= changed;
  return known === undefined;
}

/** To the first ones whose selectors it does not contradict: one gateway is all of them. */
function join(gateways: Gateways[], selector: Labels, namespace: string): void {
  const known = gateways.find(({ labels }) => agree(labels, selector));
  if (known !== undefined) known.labels = { ...known.labels, ...selector };
  else if (gateways.length < MAX_GATEWAYS) gateways.push({ namespace, labels: selector });
}

function agree(a: Labels, b: Labels): boolean {
  return Object.entries(b).every(([name, value]) => !Object.hasOwn(a, name) || a[name] === value);
}

/** What selectors and targets of any kind name, and callers whom routes are for. */
function aimsOf(resource: Resource): Aim[] {
  if (isKind(resource, 'VirtualService')) return callersOf(resource);
  const { selector, workloadSelector, targetRef, targetRefs } = resource.spec as Record<string, unknown>;
  const { namespace } = resource.metadata;
  const aims: Aim[] = [];
  for (const each of [selector, workloadSelector]) {
    const { matchLabels, labels } = (each ?? {}) as { matchLabels?: Labels; labels?: Labels };
    const wanted = matchLabels ?? labels;
    if (wanted !== undefined && Object.keys(wanted).length > 0) aims.push({ namespace, labels: wanted, services: [] });
  }
  for (const { kind, name } of [targetRefs ?? [], targetRef ?? []].flat() as { kind: string; name: string }[]) {
    if (kind === 'Gateway') aims.push({ namespace, labels: { [GATEWAY_NAME]: name }, services: [] });
    if (kind === 'Service') aims.push({ namespace, labels: {}, services: [`${name}.${namespace}`] });
  }
  return aims;
}

function callersOf({ metadata, spec }: Resource<VirtualServiceSpec>): Aim[] {
  const matches = (spec.http ?? []).flatMap(({ match }) => match ?? []);
  return matches.flatMap(({ sourceLabels = {}, sourceNamespace }) =>
    sourceNamespace || Object.keys(sourceLabels).length > 0
      ? { namespace: sourceNamespace || metadata.namespace, labels: sourceLabels, services: [] }
      : [],
  );
}

function kindOf(bundle: Bundle, role: Node['role'], gateways: Labels): NodeKind {
  const { namespace, aims } = bundle;
  const single = aims.size > 1 ? [...aims.values()] : [];
  return {
    node: nominal(role, namespace, bundle, gateways),
    alone: single.map((aim) => nominal(role, namespace, aim, gateways)),
  };
}

/** `gateways`: by what all of some Gateways select it, if its own labels leave that. */
function nominal(
  role: Node['role'],
  namespace: string,
  { labels, services }: Pick<Aim, 'labels' | 'services'>,
  gateways: Labels,
): Node {
  const all = { ...gateways, ...labels };
  return {
    id: '',
    name: 'dry-run',
    workload: 'dry-run',
    namespace,
    serviceAccount: 'default',
    trustDomain: 'cluster.local',
    labels: all,
    role,
    address: '',
    app: role === 'sidecar' ? { address: '127.0.0.1', port: 1 } : null,
    services,
  };
}

/** Instances of one workload, and workloads that nothing tells apart, are one kind. */
function distinct(nodes: readonly Node[], names: ReadonlySet<string>): Node[] {
  const kinds = new Map<string, Node>();
  for (const node of nodes) {
    const labels = Object.entries(node.labels).filter(([name]) => names.has(name));
    const { role, outbound, app, namespace, services } = node;
    kinds.set(JSON.stringify([role, outbound, app?.port, namespace, [...services].sort(), labels.sort()]), node);
  }
  return [...kinds.values()];
}
