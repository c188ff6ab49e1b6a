// Kubernetes' Service, ServiceAccount, Deployment and Namespace where they describe workloads. What only a kubelet would
// read (containers' environments, volumes, probes) is accepted and dropped: it may hold secrets, and nobody here runs it.

import { count, labels, nonEmpty, port, portOrName, quote, text } from '../formats.ts';
import type { Kind } from '../kind.ts';
import { array, map, object, oneOf, optional, type Static } from '../schema.ts';

export const ServicePort = object({
  name: optional(text),
  port,
  /** Left out: the same as `port`. A name refers to a container's port. */
  targetPort: optional(portOrName),
  protocol: optional(oneOf('TCP', 'UDP', 'SCTP')),
  appProtocol: optional(text),
  nodePort: optional(count),
});
export type ServicePort = Static<typeof ServicePort>;

export const ServiceSpec = object(
  {
    ports: optional(array(ServicePort)),
    selector: optional(labels),
    clusterIP: optional(text),
    type: optional(oneOf('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName')),
    externalName: optional(text),
  },
  {
    ignore: [
      ...['clusterIPs', 'sessionAffinity', 'sessionAffinityConfig', 'ipFamilies', 'ipFamilyPolicy', 'externalIPs'],
      ...['internalTrafficPolicy', 'externalTrafficPolicy', 'publishNotReadyAddresses', 'healthCheckNodePort'],
      ...['loadBalancerIP', 'loadBalancerClass', 'loadBalancerSourceRanges', 'allocateLoadBalancerNodePorts'],
      'trafficDistribution',
    ],
    check(spec, report) {
      const names = new Set<string>();
      const numbers = new Set<string>();
      spec.ports?.forEach(({ name = '', port, protocol = 'TCP' }, i) => {
        if (name === '' && spec.ports!.length > 1)
          report.error(['ports', i], 'required', 'name is missing: a service with several ports names each');
        if (name !== '' && names.has(name))
          report.error(['ports', i, 'name'], 'duplicate', `the port name ${quote(name)} is used twice`);
        if (numbers.has(`${protocol}${port}`))
          report.error(['ports', i, 'port'], 'duplicate', `the port ${port} is listed twice`);
        names.add(name);
        numbers.add(`${protocol}${port}`);
      });
      if (spec.type === 'ExternalName' && !spec.externalName)
        report.error([], 'required', 'type ExternalName needs externalName');
    },
  },
);
export type ServiceSpec = Static<typeof ServiceSpec>;

const Container = object(
  {
    name: nonEmpty,
    image: optional(text),
    ports: optional(
      array(
        object(
          { containerPort: port, name: optional(text), protocol: optional(oneOf('TCP', 'UDP', 'SCTP')) },
          { ignore: ['hostPort', 'hostIP'] },
        ),
      ),
    ),
  },
  { ignore: 'any' },
);

export const DeploymentSpec = object(
  {
    replicas: optional(count),
    selector: optional(object({ matchLabels: optional(labels) }, { ignore: ['matchExpressions'] })),
    template: object({
      metadata: optional(object({ labels: optional(labels), annotations: optional(map(text)) }, { ignore: 'any' })),
      spec: optional(
        object({ serviceAccountName: optional(text), containers: optional(array(Container)) }, { ignore: 'any' }),
      ),
    }),
  },
  {
    ignore: ['strategy', 'minReadySeconds', 'revisionHistoryLimit', 'paused', 'progressDeadlineSeconds'],
    check(spec, report) {
      const carried = spec.template.metadata?.labels ?? {};
      for (const [name, value] of Object.entries(spec.selector?.matchLabels ?? {})) {
        if (carried[name] === value) continue;
        report.error(
          ['selector', 'matchLabels', name],
          'reference',
          `the selector's ${name}=${value} is not among the template's labels`,
        );
      }
    },
  },
);
export type DeploymentSpec = Static<typeof DeploymentSpec>;

const NothingSpec = object({}, { ignore: ['finalizers'] });
export type NothingSpec = Static<typeof NothingSpec>;

export const service: Kind = { kind: 'Service', group: '', versions: ['v1'], scope: 'namespace', spec: ServiceSpec };

export const serviceAccount: Kind = {
  kind: 'ServiceAccount',
  group: '',
  versions: ['v1'],
  scope: 'namespace',
  spec: NothingSpec,
  ignore: ['secrets', 'imagePullSecrets', 'automountServiceAccountToken'],
};

export const deployment: Kind = {
  kind: 'Deployment',
  group: 'apps',
  versions: ['v1'],
  scope: 'namespace',
  spec: DeploymentSpec,
};

export const namespace: Kind = { kind: 'Namespace', group: '', versions: ['v1'], scope: 'cluster', spec: NothingSpec };
