// Fastify's own compilers of schemas, run when the first request needs what they make: to compile those of all routes at once is
// a third of a second of the control plane's start, and most are never asked for.
import { createRequire } from 'node:module';
import type { FastifyServerOptions } from 'fastify';

type Compilers = NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>;
/** The same for both, as far as is needed here: of schemas and options, then of a route, then of its data. */
type Factory = (schemas: unknown, options: unknown) => (route: unknown) => Compiled;
type Compiled = ((data: unknown) => unknown) & { errors?: unknown };

/** Of the version that this Fastify comes with. */
const ofFastify = createRequire(import.meta.resolve('fastify'));

export const whenAsked = {
  buildValidator: late('@fastify/ajv-compiler'),
  buildSerializer: late('@fastify/fast-json-stringify-compiler'),
} as unknown as Compilers;

function late(compiler: string): Factory {
  return (schemas, options) => {
    let compile: ReturnType<Factory> | null = null;
    return (route) => {
      let compiled: Compiled | null = null;
      const asked: Compiled = (data) => {
        compile ??= (ofFastify(compiler) as () => Factory)()(schemas, options);
        compiled ??= compile(route);
        const result = compiled(data);
        // Where Fastify looks for what is wrong.
        asked.errors = compiled.errors;
        return result;
      };
      return asked;
    };
  };
}
