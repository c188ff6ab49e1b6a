// Secrets do not leave through the admin endpoints, whatever a plugin's configuration has put where.

const SECRET =
  /(?:^|[_.\-\s])(?:token|secret|password|passwd|passphrase|credentials?|private_?key|api_?key|client_?secret|inline_?string|authorization)$/;

/** A copy in which the texts under names of secrets are replaced. */
export function redact(value: unknown, secret = false): unknown {
  if (Array.isArray(value)) return value.map((item) => redact(item, secret));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, redact(inner, secret || isSecret(name))]),
    );
  }
  return secret && value !== null && value !== '' && typeof value !== 'boolean' ? '[redacted]' : value;
}

function isSecret(name: string): boolean {
  return SECRET.test(name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase());
}
