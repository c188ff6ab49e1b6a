// The text of an expression -> its checked tree. The grammar is CEL's, as far as log filters and metric tags need it:
//
//   a ? b : c    ||    &&    == != < <= > >= in    + -    * / %    ! -    f(x) x.f(y) name.field map['key'] [list] (x)
//
// Nothing here runs while requests do, and depth and length have limits.

import { ATTRIBUTES } from '../attributes.ts';
import { isName, leadsToName, nearestName } from './names.ts';
import { ExpressionFault, type Token, tokenize } from './tokens.ts';
import type { Arithmetic, Comparison, Expression } from './tree.ts';
import { among, call, choose, compare, compute, entry, expect, list, logic, wordFor } from './typing.ts';

const MAX_DEPTH = 32;
const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=']);

/** Throws ExpressionFault. */
export function parse(source: string): Expression {
  return new Parser(tokenize(source)).whole();
}

/** A condition: what it says is true or false. Throws ExpressionFault. */
export function parseCondition(source: string): Expression {
  return expect(parse(source), 'bool', 'a condition');
}

/** What can be printed: everything but maps and lists. Throws ExpressionFault. */
export function parseValue(source: string): Expression {
  const expression = parse(source);
  const { type, at } = expression;
  if (type === 'map' || type === 'list') throw new ExpressionFault(`${wordFor(type)} is no value`, at);
  return expression;
}

/** Why the text is no condition (or no value), in one line, or null. */
export function conditionFault(source: string): string | null {
  return faultOf(() => parseCondition(source));
}

export function valueFault(source: string): string | null {
  return faultOf(() => parseValue(source));
}

function faultOf(read: () => unknown): string | null {
  try {
    read();
    return null;
  } catch (error) {
    if (error instanceof ExpressionFault) return error.message;
    throw error;
  }
}

class Parser {
  private readonly tokens: readonly Token[];
  private next = 0;
  private depth = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  whole(): Expression {
    const expression = this.choice();
    if (this.token.kind !== 'end') throw this.unexpected();
    return expression;
  }

  private choice(): Expression {
    if (++this.depth > MAX_DEPTH) throw new ExpressionFault(`it is nested more than ${MAX_DEPTH} deep`, this.token.at);
    const test = this.disjunction();
    let expression = test;
    if (this.take('?')) {
      const yes = this.choice();
      this.need(':');
      expression = choose(test, yes, this.choice());
    }
    this.depth--;
    return expression;
  }

  private disjunction(): Expression {
    let left = this.conjunction();
    while (this.take('||')) left = logic('or', left, this.conjunction());
    return left;
  }

  private conjunction(): Expression {
    let left = this.relation();
    while (this.take('&&')) left = logic('and', left, this.relation());
    return left;
  }

  private relation(): Expression {
    let left = this.sum();
    for (;;) {
      const { kind, text, at } = this.token;
      if (kind === 'sign' && COMPARISONS.has(text)) {
        this.next++;
        left = compare(text as Comparison, left, this.sum(), at);
      } else if (kind === 'word' && text === 'in') {
        this.next++;
        left = among(left, this.sum(), at);
      } else return left;
    }
  }

  private sum(): Expression {
    let left = this.product();
    for (let { at } = this.token; this.is('+') || this.is('-'); { at } = this.token) {
      left = compute(this.advance().text as Arithmetic, left, this.product(), at);
    }
    return left;
  }

  private product(): Expression {
    let left = this.unary();
    for (let { at } = this.token; this.is('*') || this.is('/') || this.is('%'); { at } = this.token) {
      left = compute(this.advance().text as Arithmetic, left, this.unary(), at);
    }
    return left;
  }

  private unary(): Expression {
    const { at } = this.token;
    let nots = 0;
    while (this.take('!')) nots++;
    if (nots > 0) {
      const of = expect(this.member(), 'bool', 'what ! turns round');
      return nots % 2 === 0 ? of : { kind: 'not', type: 'bool', at, of };
    }
    if (!this.take('-')) return this.member();
    const of = this.member();
    if (of.type !== 'int' && of.type !== 'double')
      throw new ExpressionFault(`- does not turn ${wordFor(of.type)} round`, at);
    if (of.kind === 'constant') return { ...of, at, value: -of.value };
    return { kind: 'negate', type: of.type, at, of };
  }

  private member(): Expression {
    let of = this.primary();
    for (;;) {
      if (this.take('[')) {
        of = entry(of, this.choice());
        this.need(']');
      } else if (this.take('.')) {
        const field = this.word();
        if (this.take('(')) of = call(field.text, [of, ...this.items(')')], field.at);
        else of = entry(of, { kind: 'constant', type: 'string', at: field.at, value: field.text });
      } else return of;
    }
  }

  private primary(): Expression {
    const { kind, text, at } = this.token;
    switch (kind) {
      case 'string':
        this.next++;
        return { kind: 'constant', type: 'string', at, value: text };
      case 'int':
      case 'double':
        this.next++;
        return { kind: 'constant', type: kind, at, value: Number(text) };
      case 'word':
        return this.named();
      case 'sign':
        if (this.take('(')) {
          const inside = this.choice();
          this.need(')');
          return inside;
        }
        if (this.take('[')) return list(this.items(']'), at);
    }
    throw this.unexpected();
  }

  /** true, false, f(...), or a name as long as it goes on. */
  private named(): Expression {
    const { text: first, at } = this.word();
    if (first === 'true' || first === 'false') return { kind: 'constant', type: 'bool', at, value: first === 'true' };
    if (this.take('(')) return call(first, this.items(')'), at);
    let name = first;
    while (this.is('.') && !isMethod(this.tokens, this.next)) {
      const longer = `${name}.${this.tokens[this.next + 1].text}`;
      if (isName(name) && !leadsToName(longer)) break;
      this.next++;
      this.word();
      name = longer;
    }
    if (isName(name)) return { kind: 'name', type: ATTRIBUTES[name].type, at, name };
    const near = nearestName(name);
    throw new ExpressionFault(`unknown name ${name}${near === null ? '' : ` (is it ${near}?)`}`, at);
  }

  private items(closing: string): Expression[] {
    const items: Expression[] = [];
    if (this.take(closing)) return items;
    do items.push(this.choice());
    while (this.take(','));
    this.need(closing);
    return items;
  }

  private get token(): Token {
    return this.tokens[this.next];
  }

  private advance(): Token {
    return this.tokens[this.next++];
  }

  private is(sign: string): boolean {
    return this.token.kind === 'sign' && this.token.text === sign;
  }

  private take(sign: string): boolean {
    if (!this.is(sign)) return false;
    this.next++;
    return true;
  }

  private need(sign: string): void {
    if (this.take(sign)) return;
    throw new ExpressionFault(`${sign} is missing`, this.token.at);
  }

  private word(): Token {
    if (this.token.kind !== 'word') throw new ExpressionFault('a name is missing', this.token.at);
    return this.advance();
  }

  private unexpected(): ExpressionFault {
    const { kind, text, at } = this.token;
    if (kind === 'end') return new ExpressionFault(at === 0 ? 'it is empty' : 'it ends too soon', at);
    return new ExpressionFault(`${JSON.stringify(text.slice(0, 30))} does not belong here`, at);
  }
}

/** True when the dot at `dot` is followed by the name of a function. */
function isMethod(tokens: readonly Token[], dot: number): boolean {
  const after = tokens[dot + 2];
  return tokens[dot + 1].kind === 'word' && after?.kind === 'sign' && after.text === '(';
}
