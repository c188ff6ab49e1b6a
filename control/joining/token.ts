// A token as it is handed over: one line with all that the first contact needs. Also what the command line reads.
//
//   weft1/10.0.0.5:15010/qL9h...43 characters.../k3v9x2m7pq4t.zX8...43 characters
//         where the API is   fingerprint of the root  id of the token . its secret

/** Of the root of the mesh's authority: SHA-256 of its DER, in base64url. */
const FINGERPRINT = '[A-Za-z0-9_-]{43}';
const PROOF = '([a-z0-9]{12})\\.([A-Za-z0-9_-]{43})';
const TOKEN = new RegExp(`^weft1/((?:\\[[0-9a-f:.]+\\]|[0-9.]+):\\d{1,5})/(${FINGERPRINT})/(${PROOF})$`);
const WHOLE_PROOF = new RegExp(`^${PROOF}$`);

export interface Token {
  /** 'https://10.0.0.5:15010' */
  readonly api: string;
  readonly fingerprint: string;
  readonly proof: string;
}

/** What of a token is sent to the API: who has it may do what the token of that id is for. */
export interface Proof {
  readonly id: string;
  readonly secret: string;
}

export function tokenText({ api, fingerprint, proof }: Token): string {
  return `weft1/${api.replace(/^https:\/\//, '')}/${fingerprint}/${proof}`;
}

/** null: it is none, or not all of one. */
export function readToken(text: string): Token | null {
  const found = TOKEN.exec(text);
  return found === null ? null : { api: `https://${found[1]}`, fingerprint: found[2], proof: found[3] };
}

export function readProof(text: string): Proof | null {
  const found = WHOLE_PROOF.exec(text);
  return found === null ? null : { id: found[1], secret: found[2] };
}
