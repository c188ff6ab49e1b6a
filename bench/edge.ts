// A gateway in front of one upstream, as resources for a proxy's folder.

const HOST = 'upstream.example.com';

/** Everything that comes to `port` goes to `upstream` on this machine; `route`: what else its route says. */
export function edge(port: number, upstream: number, route: object = {}): object[] {
  return [
    resource('networking.istio.io/v1', 'Gateway', 'edge', {
      servers: [{ port: { number: port, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
    }),
    resource('networking.istio.io/v1', 'ServiceEntry', 'upstream', {
      hosts: [HOST],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
      endpoints: [{ address: '127.0.0.1', ports: { http: upstream } }],
    }),
    resource('networking.istio.io/v1', 'VirtualService', 'all', {
      hosts: ['*'],
      gateways: ['edge'],
      http: [{ ...route, route: [{ destination: { host: HOST, port: { number: 80 } } }] }],
    }),
  ];
}

export function resource(apiVersion: string, kind: string, name: string, spec: object): object {
  return { apiVersion, kind, metadata: { name, namespace: 'istio-system' }, spec };
}
