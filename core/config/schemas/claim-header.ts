// Names of headers in matches that mean a claim of the verified token: '@request.auth.claims.a.b', '@request.auth.claims[a][b]'.

const CLAIM = /^@request\.auth\.claims(?:\.(?<dotted>[^.]+(?:\.[^.]+)*)|(?<listed>(?:\[[^[\]]+\])+))$/;

/** The claim's names from the outside in; null: no claim is meant. */
export function claimPath(header: string): readonly string[] | null {
  const found = CLAIM.exec(header)?.groups;
  if (found === undefined) return null;
  return found.dotted?.split('.') ?? found.listed.slice(1, -1).split('][');
}
