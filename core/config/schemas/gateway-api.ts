// What the kinds of the Gateway API have in common.

export const GATEWAY_API = { group: 'gateway.networking.k8s.io', versions: ['v1', 'v1beta1'] } as const;
