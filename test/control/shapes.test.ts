import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type as TypeBox } from 'typebox';
import { Type } from '../../control/shapes.ts';

type Builders = typeof Type;

/** Every builder, with and without options. */
function made(T: Builders): object[] {
  return [
    T.Object({}),
    T.Object({ a: T.Optional(T.String({ maxLength: 2 })) }),
    T.Object({ a: T.Optional(T.Number()), b: T.Boolean(), c: T.Integer({ minimum: 1 }) }, { title: 'A' }),
    T.Object({ a: T.Optional(T.Array(T.Null(), { minItems: 1 })) }, { additionalProperties: false }),
    T.Array(T.Array(T.Boolean({ description: 'B' }))),
    T.Enum(['x', 'y']),
    T.Enum(['x'], { description: 'E' }),
    T.Record(T.String(), T.String({ pattern: '^a$' }), { description: 'R' }),
    T.Union([T.String(), T.Null()]),
    T.Unknown(),
    T.Unknown({ title: 'U' }),
    T.Unsafe<Uint8Array>({ type: 'string', format: 'binary' }),
  ];
}

test('the builders of the API make the JSON Schema that TypeBox makes', () => {
  assert.deepEqual(made(Type), JSON.parse(JSON.stringify(made(TypeBox))));
});

test('a field that may be left out is one only where it is said', () => {
  const text = Type.String();
  assert.deepEqual(Type.Object({ a: Type.Optional(text), b: text }).required, ['b']);
});
