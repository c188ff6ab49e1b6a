// Builders of the API's schemas: TypeBox's types over plain JSON Schema objects. TypeBox itself is not loaded: its 373 files are a
// fifth of what the control plane's start costs, and Fastify reads JSON Schema.
import type { TOptional, TSchema, Type as TypeBox } from 'typebox';

type Builders = Pick<
  typeof TypeBox,
  | 'Array'
  | 'Boolean'
  | 'Enum'
  | 'Integer'
  | 'Null'
  | 'Number'
  | 'Object'
  | 'Optional'
  | 'Record'
  | 'String'
  | 'Union'
  | 'Unknown'
  | 'Unsafe'
>;

/** Of fields that may be left out: not part of the JSON Schema, which says it in `required`. */
const OPTIONAL = '~optional';

function build(keywords: object, options: object = {}): never {
  return { ...keywords, ...options } as never;
}

export const Type: Builders = {
  Array: (items: TSchema, options?: object) => build({ type: 'array', items }, options),
  Boolean: (options) => build({ type: 'boolean' }, options),
  Enum: (values: unknown, options?: object) => build({ enum: values }, options),
  Integer: (options) => build({ type: 'integer' }, options),
  Null: (options) => build({ type: 'null' }, options),
  Number: (options) => build({ type: 'number' }, options),
  Object: (properties, options) => {
    const required = Object.keys(properties).filter((name) => !Object.hasOwn(properties[name], OPTIONAL));
    return build({ type: 'object', ...(required.length > 0 && { required }), properties }, options);
  },
  Optional: <Field extends TSchema>(field: Field) =>
    Object.defineProperty({ ...field }, OPTIONAL, { value: true }) as unknown as TOptional<Field>,
  /** Keys are any text. */
  Record: (_key, value: TSchema, options?: object) =>
    build({ type: 'object', patternProperties: { '^.*$': value } }, options),
  String: (options) => build({ type: 'string' }, options),
  Union: (anyOf: readonly TSchema[], options?: object) => build({ anyOf }, options),
  Unknown: (options) => build({}, options),
  Unsafe: (schema: TSchema) => schema as never,
};
