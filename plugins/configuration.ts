// A plugin's configuration against the JSON Schema of its package. Draft 7 and 2020-12. The library is loaded when the first schema
// comes.
import { createRequire } from 'node:module';
import type { Ajv, ErrorObject } from 'ajv';
import type { Ajv2020 } from 'ajv/dist/2020.js';
import { StepFailed } from './step.ts';

/** A text is a plugin's affair; it is handed over as it is. */
export type Configuration = Readonly<Record<string, unknown>> | string;

/** As a module is given it. */
export function configurationBytes(value: unknown): Uint8Array {
  if (value === undefined || value === null) return Buffer.alloc(0);
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
}

/** Of a schema, as text: it travels with the resource. */
const MOST_SCHEMA_BYTES = 64 * 1024;
const MOST_PROBLEMS = 8;

/** Says what is wrong, a line each; none: it fits. */
export type Check = (configuration: unknown) => string[];

/** Throws StepFailed (check, refused) for a schema that is none. */
export function compileSchema(schema: unknown): Check {
  if (schema === undefined) return () => [];
  const refuse = (why: string): StepFailed =>
    new StepFailed('check', 'refused', `the schema of its configuration ${why}`);
  if (JSON.stringify(schema).length > MOST_SCHEMA_BYTES) throw refuse(`is larger than ${MOST_SCHEMA_BYTES} bytes`);
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) throw refuse('is no object');
  const { $schema } = schema as { $schema?: unknown };
  const newer = typeof $schema === 'string' && /2019-09|2020-12/.test($schema);
  const { default: Draft } = (
    newer ? createRequire(import.meta.url)('ajv/dist/2020.js') : createRequire(import.meta.url)('ajv')
  ) as { default: typeof Ajv | typeof Ajv2020 };
  try {
    const validate = new Draft({ allErrors: true, strict: false, validateFormats: false }).compile(schema);
    return (configuration) => {
      if (validate(configuration)) return [];
      return (validate.errors ?? []).slice(0, MOST_PROBLEMS).map(inWords);
    };
  } catch (error) {
    throw refuse(`is none: ${(error as Error).message}`);
  }
}

/** 'config.rules[0].path must be string' */
function inWords({ instancePath, keyword, message, params }: ErrorObject): string {
  const at = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))
    .join('');
  const where = `config${at}`;
  if (keyword === 'additionalProperties') return `${where} has no field "${params.additionalProperty}"`;
  if (keyword === 'required') return `${where}.${params.missingProperty} is missing`;
  if (keyword === 'enum')
    return `${where} must be one of ${params.allowedValues.map((v: unknown) => JSON.stringify(v)).join(', ')}`;
  return `${where} ${message ?? `does not fit (${keyword})`}`;
}
