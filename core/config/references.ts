// References of one resource to others that are not there. Codes are those of Istio's analyzer.

import { ORDER } from '../builtins/order.ts';
import { ROOT_NAMESPACE } from './attachment.ts';
import type { Index } from './inventory.ts';
import { isKind } from './kind-names.ts';
import type { FilterChainSpec } from './kinds/filter-chain.ts';
import type { HTTPRouteSpec } from './kinds/http-route.ts';
import type { Destination, VirtualServiceSpec } from './kinds/virtual-service.ts';
import { type Problem, type Resource, resourceKey } from './resource.ts';
import { type Path, pointer } from './walk.ts';

export function references(resource: Resource, index: Index): Problem[] {
  const problems: Problem[] = [];
  const warn: Warn = (code, path, message) => {
    problems.push({ severity: 'warning', code, message, resource: resourceKey(resource), pointer: pointer(path) });
  };
  const { namespace } = resource.metadata;
  if (isKind(resource, 'VirtualService')) {
    virtualService(resource, index, warn);
  } else if (isKind(resource, 'DestinationRule')) {
    const { host } = resource.spec;
    if (!index.covers(index.resolve(host, namespace))) {
      warn('IST0174', ['spec', 'host'], `the host "${host}" of the DestinationRule matches no service of the mesh`);
    }
  } else if (isKind(resource, 'ServiceRoleBinding')) {
    const role = resource.spec.roleRef?.name ?? resource.spec.role;
    const path = resource.spec.roleRef === undefined ? ['spec', 'role'] : ['spec', 'roleRef', 'name'];
    if (role !== undefined && !index.has('ServiceRole', namespace, role))
      warn('IST0101', path, notFound('ServiceRole', role));
  } else if (isKind(resource, 'FilterChain')) {
    filterChain(resource, index, warn);
  } else if (isKind(resource, 'HTTPRoute')) {
    httpRoute(resource, index, warn);
  }
  return problems;
}

type Warn = (code: string, path: Path, message: string) => void;

function notFound(what: string, name: string): string {
  return `Referenced ${what} not found: ${JSON.stringify(name)}`;
}

/** An anchor that is not there puts the filter last; what is to be left out and is not there changes nothing. */
function filterChain({ metadata, spec }: Resource<FilterChainSpec>, index: Index, warn: Warn): void {
  const isPlugin = (name: string): boolean =>
    [metadata.namespace, ROOT_NAMESPACE].some(
      (owner) => index.has('Plugin', owner, name) || index.has('WasmPlugin', owner, name),
    );
  const direction = spec.direction ?? 'inbound';
  const configurable = (name: string): boolean =>
    ORDER.some((place) => place.name === name && place.insertable === true);
  const stands = (name: string): boolean =>
    configurable(name) || ORDER.some((place) => place.name === name && place.chains.includes(direction));
  const filter = (name: string, path: Path): void => {
    if (!stands(name) && !isPlugin(name)) warn('IST0101', path, notFound(`filter of ${direction} chains`, name));
  };
  spec.insert?.forEach(({ filter: name, before, after }, i) => {
    if (!isPlugin(name) && !configurable(name))
      warn('IST0101', ['spec', 'insert', i, 'filter'], notFound('plugin', name));
    if (before !== undefined) filter(before, ['spec', 'insert', i, 'before']);
    if (after !== undefined) filter(after, ['spec', 'insert', i, 'after']);
  });
  spec.disable?.forEach((name, i) => {
    filter(name, ['spec', 'disable', i]);
  });
  spec.routes?.forEach(({ filter: name, config }, i) => {
    filter(name, ['spec', 'routes', i, 'filter']);
    if (config === undefined || isPlugin(name) || !stands(name)) return;
    const path = ['spec', 'routes', i, 'config'];
    if (!configurable(name)) {
      warn('no_effect', path, `${name} takes no configuration: its policies say what it does; this has no effect`);
    } else if (!index.inserts(name, direction, metadata.namespace)) {
      warn('no_effect', path, `no FilterChain inserts ${name} into ${direction} chains: this has no effect`);
    }
  });
}

function virtualService({ metadata, spec }: Resource<VirtualServiceSpec>, index: Index, warn: Warn): void {
  const { namespace } = metadata;
  const gateway = (reference: string, path: Path): void => {
    if (reference === 'mesh') return;
    const slash = reference.indexOf('/');
    const owner = slash < 0 ? namespace : reference.slice(0, slash);
    if (!index.has('Gateway', owner, reference.slice(slash + 1))) warn('IST0101', path, notFound('gateway', reference));
  };
  const destination = (to: Destination, path: Path): void => {
    const host = index.resolve(to.host, namespace);
    if (!index.hasHost(host)) {
      warn('IST0101', [...path, 'host'], notFound('host', to.host));
      return;
    }
    if (to.subset && !index.hasSubset(host, to.subset)) {
      warn('IST0101', [...path, 'subset'], notFound('host+subset in destinationrule', `${to.host}+${to.subset}`));
    }
    const ports = index.ports(host);
    if (to.port === undefined && ports.length > 1) {
      warn('IST0112', path, `the destination "${to.host}" needs a port: its service has several (${ports.join(', ')})`);
    } else if (to.port !== undefined && ports.length > 0 && !ports.includes(to.port.number)) {
      warn('IST0101', [...path, 'port'], notFound('host:port', `${to.host}:${to.port.number}`));
    }
  };

  spec.gateways?.forEach((reference, i) => {
    gateway(reference, ['spec', 'gateways', i]);
  });
  spec.http?.forEach((http, i) => {
    const path = ['spec', 'http', i];
    http.match?.forEach((match, j) => {
      match.gateways?.forEach((reference, k) => {
        gateway(reference, [...path, 'match', j, 'gateways', k]);
      });
    });
    http.route?.forEach((route, j) => {
      destination(route.destination, [...path, 'route', j, 'destination']);
    });
    if (http.mirror) destination(http.mirror, [...path, 'mirror']);
    http.mirrors?.forEach((mirror, j) => {
      destination(mirror.destination, [...path, 'mirrors', j, 'destination']);
    });
    if (http.delegate && !index.has('VirtualService', http.delegate.namespace || namespace, http.delegate.name)) {
      warn(
        'IST0101',
        [...path, 'delegate'],
        notFound('delegate', `${http.delegate.namespace || namespace}/${http.delegate.name}`),
      );
    }
  });
  for (const section of ['tls', 'tcp'] as const) {
    spec[section]?.forEach(({ route }, i) => {
      route.forEach((target, j) => {
        destination(target.destination, ['spec', section, i, 'route', j, 'destination']);
      });
    });
  }
}

function httpRoute({ metadata, spec }: Resource<HTTPRouteSpec>, index: Index, warn: Warn): void {
  const service = (name: string, namespace: string, path: Path): void => {
    if (!index.hasHost(index.resolve(name, namespace))) warn('IST0101', path, notFound('service', name));
  };
  spec.parentRefs?.forEach((parent, i) => {
    const path = ['spec', 'parentRefs', i, 'name'];
    const namespace = parent.namespace ?? metadata.namespace;
    if (parent.kind === 'Service') service(parent.name, namespace, path);
    else if (
      (parent.kind ?? 'Gateway') === 'Gateway' &&
      !index.has('Gateway.gateway.networking.k8s.io', namespace, parent.name)
    ) {
      warn('IST0101', path, notFound('gateway', parent.name));
    }
  });
  spec.rules?.forEach((rule, i) => {
    rule.backendRefs?.forEach((backend, j) => {
      if ((backend.kind ?? 'Service') !== 'Service') return;
      service(backend.name, backend.namespace ?? metadata.namespace, ['spec', 'rules', i, 'backendRefs', j, 'name']);
    });
  });
}
