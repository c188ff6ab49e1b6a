// For path tests at a gateway: one Gateway on port 8080 for every host, and a rule that leads all of it to one service.

export function edgeTo(host: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec: { selector: { istio: ingressgateway }, servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ['*'] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge }
spec: { hosts: ['*'], gateways: [edge], http: [{ route: [{ destination: { host: ${host} } }] }] }
`;
}
