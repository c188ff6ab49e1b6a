// Kubernetes' Service: a name, which workloads stand behind it, and what its ports speak.

import { count, ipOrCidr, labels, port, portOrName, quote, text } from '../formats.ts';
import { fqdn } from '../hosts.ts';
import { defineKind } from '../kind.ts';
import { array, informative, notEnforced, object, oneOf, optional, partly, type Static } from '../schema.ts';
import { unenforcedProtocol } from '../schemas/port.ts';
import { declaresHttp, listedPorts, protocolOfName, SERVER_FIRST_PORTS } from '../schemas/port-protocol.ts';

export const ServicePort = object({
  name: optional(text),
  port,
  /** Left out: the same as `port`. A name refers to a container's port. */
  targetPort: optional(portOrName),
  protocol: notEnforced(optional(oneOf('TCP', 'UDP', 'SCTP')), (value) => (value === 'TCP' ? null : `${value} ports`)),
  appProtocol: optional(text),
  nodePort: informative(optional(count)),
});
export type ServicePort = Static<typeof ServicePort>;

function unenforcedPort({ appProtocol, name, protocol, targetPort }: ServicePort): string | null {
  if (protocol === 'UDP' || protocol === 'SCTP') return null;
  if (typeof targetPort === 'string') return 'a targetPort by name';
  return unenforcedProtocol(appProtocol ?? protocolOfName(name ?? ''));
}

const EXTERNAL_NAME = 'services of type ExternalName';

export const ServiceSpec = object(
  {
    ports: optional(array(partly(ServicePort, unenforcedPort))),
    selector: optional(labels),
    clusterIP: optional(text),
    type: notEnforced(optional(oneOf('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName')), (value) =>
      value === 'ExternalName' ? EXTERNAL_NAME : null,
    ),
    sessionAffinity: notEnforced(optional(oneOf('None', 'ClientIP')), (value) =>
      value === 'ClientIP' ? 'session affinity' : null,
    ),
    loadBalancerSourceRanges: notEnforced(optional(array(ipOrCidr))),
    externalName: notEnforced(optional(text), EXTERNAL_NAME),
  },
  {
    ignore: [
      ...['clusterIPs', 'sessionAffinityConfig', 'ipFamilies', 'ipFamilyPolicy', 'externalIPs'],
      ...['internalTrafficPolicy', 'externalTrafficPolicy', 'publishNotReadyAddresses', 'healthCheckNodePort'],
      ...['loadBalancerIP', 'loadBalancerClass', 'allocateLoadBalancerNodePorts'],
      'trafficDistribution',
    ],
    check(spec, report) {
      const names = new Set<string>();
      const numbers = new Set<string>();
      spec.ports?.forEach(({ name = '', port, protocol = 'TCP', appProtocol }, i) => {
        if (name === '' && spec.ports!.length > 1)
          report.error(['ports', i], 'required', 'name is missing: a service with several ports names each');
        if (name !== '' && names.has(name))
          report.error(['ports', i, 'name'], 'duplicate', `the port name ${quote(name)} is used twice`);
        if (numbers.has(`${protocol}${port}`))
          report.error(['ports', i, 'port'], 'duplicate', `the port ${port} is listed twice`);
        const [field, spoken] =
          appProtocol === undefined ? ['name', protocolOfName(name)] : ['appProtocol', appProtocol];
        if (protocol !== 'UDP' && spoken.toLowerCase() === 'udp')
          report.error(['ports', i, field], 'contradiction', `udp is not what a port of protocol ${protocol} speaks`);
        names.add(name);
        numbers.add(`${protocol}${port}`);
      });
      if (spec.type === 'ExternalName' && !spec.externalName)
        report.error([], 'required', 'type ExternalName needs externalName');
    },
  },
);
export type ServiceSpec = Static<typeof ServiceSpec>;

export const service = defineKind({
  name: 'Service',
  shortNames: ['svc'],
  group: '',
  versions: ['v1'],
  scope: 'namespace',
  spec: ServiceSpec,
  check({ metadata, spec: { ports = [] } }, report) {
    const annotation = metadata.annotations?.[SERVER_FIRST_PORTS];
    if (annotation === undefined) return;
    const path = ['metadata', 'annotations', SERVER_FIRST_PORTS];
    for (const listed of listedPorts(annotation)) {
      const found = ports.find((each) => listed === each.name || listed === String(each.port));
      if (found === undefined) report.error(path, 'reference', `the Service has no port ${quote(listed)}`);
      else if (declaresHttp(found.appProtocol ?? protocolOfName(found.name ?? ''))) {
        report.error(path, 'contradiction', `of the port ${quote(listed)} it is said that HTTP is spoken there`);
      }
    }
  },
  declares({ metadata, spec }, to) {
    const ports = (spec.ports ?? []).map((each) => each.port);
    to.host(fqdn(metadata.name, metadata.namespace, to.domain), ports);
  },
});
