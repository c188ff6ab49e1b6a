// Which variables of the proxy's own environment plugins may be given (valueFrom: HOST): those that whoever started the
// proxy listed in WEFT_PLUGIN_ENV, comma-separated. Everything else stays with the proxy.

const LIST = 'WEFT_PLUGIN_ENV';

/** The value; null: it is not listed, or not set. */
export function hostVariable(name: string): string | null {
  const listed = (process.env[LIST] ?? '').split(',').map((entry) => entry.trim());
  return listed.includes(name) ? (process.env[name] ?? null) : null;
}
