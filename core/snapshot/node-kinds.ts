// For which proxies a state is compiled before it is committed: one of each kind that there is, and one of each that something
// in the state is for: a namespace, a selector, a target. Nobody has to run there yet.

import { isKind } from '../config/is-kind.ts';
import { type Resource, resourceKey } from '../config/resource.ts';
import type { Node } from '../workload.ts';

/** A proxy that as many selectors as possible are for, and one for each of them alone. */
export interface NodeKind {
  readonly node: Node;
  readonly alone: readonly Node[];
}

type Labels = Readonly<Record<string, string>>;

/** Whom one resource is for. */
interface Aim {
  readonly labels: Labels;
  /** Full enough to be compared: 'reviews.default'. */
  readonly services: readonly string[];
}

interface Bundle extends Aim {
  labels: Labels;
  services: readonly string[];
  readonly namespace: string;
  readonly aims: Map<string, Aim>;
  changed: boolean;
}

const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
const HOME = 'default';

/** Those that `changed` resources are for come first: not every kind of a large mesh can be tried each time. */
export function nodeKinds(
  resources: ReadonlyMap<string, Resource>,
  existing: readonly Node[],
  changed: ReadonlySet<string>,
): NodeKind[] {
  const bundles = new Map<string, Bundle[]>([[HOME, [bundleOf(HOME)]]]);
  const gateways: Labels[] = [];
  const names = new Set<string>([GATEWAY_NAME]);
  for (const resource of resources.values()) {
    const { namespace } = resource.metadata;
    if (namespace === '') continue;
    const own = bundles.get(namespace) ?? [bundleOf(namespace)];
    bundles.set(namespace, own);
    if (isKind(resource, 'Gateway')) gateways.push(resource.spec.selector ?? {});
    for (const aim of aimsOf(resource)) {
      for (const name of Object.keys(aim.labels)) names.add(name);
      place(aim, own, changed.has(resourceKey(resource)));
    }
    if (changed.has(resourceKey(resource))) own[0].changed = true;
  }
  const all = [...bundles.values()].flat().sort((a, b) => Number(b.changed) - Number(a.changed));
  const planned = all.flatMap((bundle) => [kindOf(bundle, 'sidecar', []), kindOf(bundle, 'gateway', gateways)]);
  return [...planned, ...distinct(existing, names).map((node) => ({ node, alone: [] }))];
}

function bundleOf(namespace: string): Bundle {
  return { namespace, labels: {}, services: [], aims: new Map(), changed: false };
}

/** Into the first one that it does not contradict, and never into the namespace's first, which nothing selects. */
function place(aim: Aim, bundles: Bundle[], changed: boolean): void {
  let bundle = bundles.find(({ labels, aims }) => aims.size > 0 && agree(labels, aim.labels));
  if (bundle === undefined) {
    bundle = bundleOf(bundles[0].namespace);
    bundles.push(bundle);
  }
  bundle.labels = { ...bundle.labels, ...aim.labels };
  bundle.services = [...new Set([...bundle.services, ...aim.services])];
  bundle.aims.set(JSON.stringify(aim), aim);
  bundle.changed ||= changed;
}

function agree(a: Labels, b: Labels): boolean {
  return Object.entries(b).every(([name, value]) => !Object.hasOwn(a, name) || a[name] === value);
}

/** What selectors and targets of any kind name. */
function aimsOf({ metadata, spec }: Resource): Aim[] {
  const { selector, workloadSelector, targetRef, targetRefs } = spec as Record<string, unknown>;
  const aims: Aim[] = [];
  for (const each of [selector, workloadSelector]) {
    const { matchLabels, labels } = (each ?? {}) as { matchLabels?: Labels; labels?: Labels };
    const wanted = matchLabels ?? labels;
    if (wanted !== undefined && Object.keys(wanted).length > 0) aims.push({ labels: wanted, services: [] });
  }
  for (const { kind, name } of [targetRefs ?? [], targetRef ?? []].flat() as { kind: string; name: string }[]) {
    if (kind === 'Gateway') aims.push({ labels: { [GATEWAY_NAME]: name }, services: [] });
    if (kind === 'Service') aims.push({ labels: {}, services: [`${name}.${metadata.namespace}`] });
  }
  return aims;
}

function kindOf(bundle: Bundle, role: Node['role'], gateways: readonly Labels[]): NodeKind {
  const { namespace, aims } = bundle;
  const single = aims.size > 1 ? [...aims.values()] : [];
  return {
    node: nominal(role, namespace, bundle, gateways),
    alone: single.map((aim) => nominal(role, namespace, aim, gateways)),
  };
}

/** A gateway is one that every Gateway selects, as far as selectors do not contradict each other. */
function nominal(role: Node['role'], namespace: string, { labels, services }: Aim, gateways: readonly Labels[]): Node {
  let all = labels;
  for (const wanted of gateways) if (agree(all, wanted)) all = { ...all, ...wanted };
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
