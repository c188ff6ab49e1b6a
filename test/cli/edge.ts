// What gateways in the tests of the command line are configured with: port 80, every host, and what becomes of its requests.

/** A Gateway, and the routes of its VirtualService, each an entry of `http` on one line. */
export function edge(...routes: readonly string[]): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: istio-system }
spec:
  selector: { istio: ingressgateway }
  servers:
    - port: { number: 80, name: http, protocol: HTTP }
      hosts: ['*']
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge, namespace: istio-system }
spec:
  hosts: ['*']
  gateways: [edge]
  http:
${routes.map((route) => `    - ${route}\n`).join('')}`;
}

/** The same in front of an application on this port, to which everything goes that `routes` do not take. */
export function edgeBefore(port: number, ...routes: readonly string[]): string {
  return `${edge(...routes, 'route: [{ destination: { host: upstream.example } }]')}---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: upstream, namespace: istio-system }
spec:
  hosts: [upstream.example]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1, ports: { http: ${port} } }]
`;
}
