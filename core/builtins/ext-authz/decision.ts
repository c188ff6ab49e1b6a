// What an authorizer says of a request, in whatever protocol it was asked: names and values as it gave them, which check.ts looks at.

export type Fields = [name: string, value: string][];

export type Decision =
  | {
      readonly type: 'allowed';
      readonly request: readonly Edit[];
      /** Names of the request's, once `request` is done. */
      readonly remove: readonly string[];
      readonly query: QueryEdits | null;
      readonly response: readonly Edit[];
    }
  | { readonly type: 'denied'; readonly status: number; readonly body: Uint8Array; readonly fields: Fields }
  | { readonly type: 'failed' };

export const FAILED: Decision = { type: 'failed' };

/** A field in lower case. `append`: where there is one; `absent`: where there is none; `existing`: in place of one. */
export interface Edit {
  readonly name: string;
  readonly value: string;
  readonly how: 'add' | 'set' | 'append' | 'absent' | 'existing';
}

export interface QueryEdits {
  readonly set: ReadonlyMap<string, string>;
  readonly remove: ReadonlySet<string>;
}

/** The path with another query; what is not spoken of stays as it was sent. */
export function editQuery(path: string, { set, remove }: QueryEdits): string {
  const mark = path.indexOf('?');
  const query = mark < 0 ? '' : path.slice(mark + 1);
  const kept = query.split('&').filter((part) => {
    if (part === '') return false;
    const name = decoded(part.split('=', 1)[0]);
    return !set.has(name) && !remove.has(name);
  });
  for (const [name, value] of set) {
    if (!remove.has(name)) kept.push(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  }
  const bare = mark < 0 ? path : path.slice(0, mark);
  return kept.length === 0 ? bare : `${bare}?${kept.join('&')}`;
}

function decoded(name: string): string {
  const spaced = name.replaceAll('+', ' ');
  if (!/%/.test(spaced)) return spaced;
  const plain = spaced.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(plain, 'latin1').toString('utf8');
}
