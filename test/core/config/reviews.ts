// A VirtualService for reviews whose rules a test writes.

/** Of every request to reviews itself. */
export const TO = 'route: [{destination: {host: reviews}}]';

/** `rules`: entries of `http`, as lines of YAML. */
export function route(rules: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
spec:
  hosts: [reviews]
  http:
${rules}`;
}
