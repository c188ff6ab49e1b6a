import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify from 'fastify';
import { whenAsked } from '../../control/schema-compilers.ts';
import { Type } from '../../control/shapes.ts';

/** Asks a route rightly and wrongly; tells status and body of each answer. */
async function ask(compilersFactory: typeof whenAsked | undefined) {
  const options = compilersFactory === undefined ? {} : { schemaController: { compilersFactory } };
  const app = fastify(options).withTypeProvider<TypeBoxTypeProvider>();
  const body = Type.Object({ a: Type.Integer(), b: Type.Optional(Type.String()) }, { additionalProperties: false });
  const querystring = Type.Object({ n: Type.Integer({ minimum: 1 }) });
  const response = { 200: Type.Object({ a: Type.Integer(), n: Type.Optional(Type.Integer()) }) };
  app.post('/', { schema: { body, querystring, response } }, ({ body: { a }, query: { n } }) => ({ a, n }));
  const said: [status: number, body: string][] = [];
  for (const [query, payload] of [
    ['n=2', { a: 7 }],
    ['n=2', { a: 'x' }],
    ['n=0', { a: 7 }],
    ['n=x', { a: 7, c: 1 }],
    ['n=2', { a: '8', b: 'y' }],
  ] as const) {
    const { statusCode, body } = await app.inject({ method: 'POST', url: `/?${query}`, payload });
    said.push([statusCode, body]);
  }
  await app.close();
  return said;
}

test('what is compiled when it is asked for judges and writes as what is compiled at the start', async () => {
  const late = await ask(whenAsked);
  assert.deepEqual(late, await ask(undefined));
  assert.deepEqual(
    late.map(([status]) => status),
    [200, 400, 400, 400, 200],
  );
});

test('nothing is compiled before it is asked for', async () => {
  const app = fastify({ schemaController: { compilersFactory: whenAsked } });
  const wrong = { querystring: { type: 'object', properties: { a: { type: 'no such type' } } } };
  app.get('/', { schema: wrong }, () => 'answer');
  await app.ready();
  assert.equal((await app.inject('/')).statusCode, 500);
  await app.close();
});
