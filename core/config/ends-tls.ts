// Which servers of a Gateway end the TLS that they ask for. Without the kinds' schemas, which shards do not load.

const MODES: ReadonlySet<string> = new Set(['SIMPLE', 'MUTUAL', 'OPTIONAL_MUTUAL', 'ISTIO_MUTUAL']);

/** A server, as far as that is about it. */
interface Asked {
  readonly port: { readonly protocol: string };
  readonly tls?: { readonly mode?: string };
}

/** Whether requests of HTTP come out of the TLS that it ends. */
export function endsTls({ port, tls }: Asked): boolean {
  return port.protocol.toUpperCase() === 'HTTPS' && MODES.has(tls?.mode ?? 'PASSTHROUGH');
}
