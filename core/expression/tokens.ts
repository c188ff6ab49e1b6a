// An expression's text as tokens, each with the place where it stands.

export const MAX_LENGTH = 2048;
const MAX_TOKENS = 512;

/** Why a text is no expression, and at which character (from 0). The message says both in one line. */
export class ExpressionFault extends Error {
  readonly at: number;

  constructor(what: string, at: number) {
    super(`${what}, at character ${at + 1} of the expression`);
    this.at = at;
  }
}

export interface Token {
  readonly kind: 'word' | 'sign' | 'string' | 'int' | 'double' | 'end';
  /** A string's value without quotes and escapes; else as written. */
  readonly text: string;
  readonly at: number;
}

const BLANK = /[ \t\r\n]*/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /(?:0x[0-9a-fA-F]+|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?)[uU]?/y;
const SIGN = /&&|\|\||[<>=!]=|[-+*/%<>!?:.,()[\]]/y;
const STRING = /([rR]?)("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/y;
const RAW_STRING = /[rR]("[^"\n]*"|'[^'\n]*')/y;
const ESCAPE = /\\(?:([abfnrtv\\'"`?])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))/g;
const ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** Throws ExpressionFault. The last token is 'end'. */
export function tokenize(source: string): Token[] {
  if (source.length > MAX_LENGTH) throw new ExpressionFault(`it is longer than ${MAX_LENGTH} characters`, MAX_LENGTH);
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(source);
  };
  for (;;) {
    at += take(BLANK)![0].length;
    if (at === source.length) return [...tokens, { kind: 'end', text: '', at }];
    if (tokens.length === MAX_TOKENS) throw new ExpressionFault(`it has more than ${MAX_TOKENS} parts`, at);
    const { length, token } = next(take, source, at);
    tokens.push(token);
    at += length;
  }
}

function next(
  take: (pattern: RegExp) => RegExpExecArray | null,
  source: string,
  at: number,
): { length: number; token: Token } {
  const raw = take(RAW_STRING);
  if (raw !== null) return found(raw[0], { kind: 'string', text: raw[1].slice(1, -1), at });
  const quoted = take(STRING);
  if (quoted !== null) return found(quoted[0], { kind: 'string', text: unescaped(quoted[2].slice(1, -1), at), at });
  const word = take(WORD);
  if (word !== null) return found(word[0], { kind: 'word', text: word[0], at });
  const number = take(NUMBER);
  if (number !== null) return found(number[0], numberToken(number[0], at));
  const sign = take(SIGN);
  if (sign !== null) return found(sign[0], { kind: 'sign', text: sign[0], at });
  const rest = source[at];
  if (rest === '"' || rest === "'") throw new ExpressionFault('a text begins here and does not end', at);
  const instead: Readonly<Record<string, string>> = {
    '=': ' (equality is ==)',
    '&': ' (and is &&)',
    '|': ' (or is ||)',
  };
  throw new ExpressionFault(`${JSON.stringify(rest)} means nothing${instead[rest] ?? ''}`, at);
}

function found(text: string, token: Token): { length: number; token: Token } {
  return { length: text.length, token };
}

function numberToken(written: string, at: number): Token {
  const text = written.replace(/[uU]$/, '');
  const isInt = /^(?:0x[0-9a-fA-F]+|\d+)$/.test(text);
  const value = Number(text);
  if (isInt ? !Number.isSafeInteger(value) : !Number.isFinite(value))
    throw new ExpressionFault(`the number ${text.slice(0, 30)} is too large`, at);
  return { kind: isInt ? 'int' : 'double', text, at };
}

function unescaped(text: string, at: number): string {
  return text.replace(ESCAPE, (whole, simple?: string, byte?: string, unit?: string) => {
    if (simple !== undefined) return ESCAPES[simple] ?? simple;
    const code = byte ?? unit;
    if (code === undefined) throw new ExpressionFault(`the text has an unknown escape ${whole}`, at);
    return String.fromCharCode(Number.parseInt(code, 16));
  });
}
