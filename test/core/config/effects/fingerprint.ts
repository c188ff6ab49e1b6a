// What a value is, as one text: two compiles that will treat a request differently have two. Sees what functions have closed
// over, so that it also tells matchers and rewrites apart.

import { createHash } from 'node:crypto';
import { Session } from 'node:inspector';

/** Another one for every compile. */
const ITS_OWN = new Set(['generation', 'timers']);

/** Some variables that no code uses any more cannot be read. */
function read(variables: Record<string, unknown>, name: string): unknown {
  try {
    return variables[name];
  } catch (error) {
    if (error instanceof ReferenceError) return 'out of reach';
    throw error;
  }
}

type Variables = readonly (readonly [scope: string, variables: object])[];

/** `opaque`: the configuration itself, which tells nothing of what is made of it. */
export class Fingerprints {
  private readonly session = new Session();
  private readonly known = new WeakMap<object, Variables>();
  private readonly put: { subject: unknown; taken: object | null } = { subject: null, taken: null };

  constructor() {
    this.session.connect();
    Object.assign(globalThis, { fingerprints: this.put });
  }

  close(): void {
    this.session.disconnect();
  }

  /** `closures`: also what functions have closed over, which takes long to ask. */
  of(value: unknown, opaque: ReadonlySet<object>, closures: boolean): string {
    const lines: string[] = [];
    this.write(value, { lines, opaque, closures, seen: new Map() }, '');
    return createHash('sha1').update(lines.join('\n')).digest('hex');
  }

  private write(value: unknown, into: Text, name: string): void {
    const { lines, opaque, seen } = into;
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) {
      lines.push(`${name} ${typeof value} ${String(value)}`);
      return;
    }
    const met = seen.get(value);
    if (met !== undefined || opaque.has(value)) {
      lines.push(`${name} ${met === undefined ? 'opaque' : `again ${met}`}`);
      return;
    }
    seen.set(value, seen.size);
    if (value instanceof Uint8Array) lines.push(`${name} bytes ${Buffer.from(value).toString('latin1')}`);
    else if (value instanceof RegExp) lines.push(`${name} ${value}`);
    else if (value instanceof Map || value instanceof Set) {
      lines.push(`${name} of ${value.size}`);
      for (const item of value instanceof Map ? [...value].flat() : value) this.write(item, into, '-');
    } else if (typeof value === 'function') {
      lines.push(`${name} function ${value.name} ${value.toString().length}`);
      if (!into.closures) return;
      for (const [scope, variables] of this.variablesOf(value)) this.write(variables, into, scope);
    } else {
      const keys = Object.keys(value).filter((key) => !ITS_OWN.has(key));
      lines.push(`${name} ${value.constructor?.name} of ${keys.length}`);
      for (const key of keys) this.write(read(value as Record<string, unknown>, key), into, key);
    }
  }

  private variablesOf(one: object): Variables {
    let found = this.known.get(one);
    if (found === undefined) {
      found = this.ask(one);
      this.known.set(one, found);
    }
    return found;
  }

  private ask(one: object): Variables {
    this.put.subject = one;
    const { objectId } = this.call<{ result: { objectId: string } }>('Runtime.evaluate', {
      expression: 'globalThis.fingerprints.subject',
    }).result;
    const { internalProperties = [] } = this.call<Properties>('Runtime.getProperties', {
      objectId,
      ownProperties: true,
    });
    const scopes = internalProperties.find(({ name }) => name === '[[Scopes]]')?.value?.objectId;
    const found: [string, object][] = [];
    if (scopes !== undefined) {
      const { result } = this.call<Properties>('Runtime.getProperties', { objectId: scopes, ownProperties: true });
      for (const { value } of result) {
        if (value?.objectId === undefined || !/^(Closure|Block|Catch|With)\b/.test(value.description)) continue;
        this.call('Runtime.callFunctionOn', {
          objectId: value.objectId,
          functionDeclaration: 'function () { globalThis.fingerprints.taken = this; }',
        });
        found.push([value.description, this.put.taken!]);
      }
    }
    this.call('Runtime.releaseObject', { objectId });
    return found;
  }

  /** In the same thread the answer is there at once. */
  private call<Answer>(method: string, parameters: object): Answer {
    let answer: Answer | undefined;
    this.session.post(method, parameters, (error: Error | null, result?: object) => {
      if (error !== null) throw error;
      answer = result as Answer;
    });
    return answer!;
  }
}

/** What is being written of one value. */
interface Text {
  readonly lines: string[];
  readonly opaque: ReadonlySet<object>;
  readonly closures: boolean;
  readonly seen: Map<object, number>;
}

interface Properties {
  readonly result: readonly Property[];
  readonly internalProperties?: readonly Property[];
}

interface Property {
  readonly name: string;
  readonly value?: { readonly objectId?: string; readonly description: string };
}
