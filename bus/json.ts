// What came over the wire as JSON, before anybody looks at its fields.

/** The object that it is; null for anything else, and for what is no JSON. */
export function jsonObject(data: Uint8Array): Readonly<Record<string, unknown>> | null {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data).toString());
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}
