// What a plugin's package says of it: the `mesh` field of its package.json. Every problem is one line with its place.

/** As `mesh.plugin` in package.json has it, checked; paths lead to files inside the package. */
export interface PluginManifest {
  /** What its `Plugin` resource is called unless the installer says otherwise. Undefined: after its package. */
  readonly name: string | undefined;
  /** The module, relative to package.json: 'build/release.wasm'. */
  readonly wasm: string;
  /** JSON Schema of its configuration. Undefined: it takes any. */
  readonly schema: string | undefined;
  /** Which plugin of a module that holds several. Undefined: ''. */
  readonly rootId: string | undefined;
  /** Undefined: what its callbacks say. */
  readonly type: 'http' | 'network' | 'service' | undefined;
  /** Undefined: just before the router. */
  readonly phase: 'AUTHN' | 'AUTHZ' | 'STATS' | undefined;
  readonly priority: number | undefined;
  /** Which traffic it is for. Undefined: the server's side and gateways. */
  readonly mode: 'CLIENT' | 'SERVER' | 'CLIENT_AND_SERVER' | undefined;
  /** Names of all that it may do; its module may import no more. Undefined: whatever it imports. */
  readonly capabilities: readonly string[] | undefined;
  /** Services that it calls. */
  readonly upstreams: readonly string[] | undefined;
  readonly isolation: 'inline' | 'pool' | undefined;
  readonly failStrategy: 'FAIL_CLOSE' | 'FAIL_OPEN' | 'FAIL_RELOAD' | undefined;
  /** What it runs with when the installer gives no configuration; it has to fit the schema. */
  readonly defaultConfig: Readonly<Record<string, unknown>> | string | undefined;
}

/** One line: where in package.json, and why. */
export class ManifestError extends Error {}

const KEYS = [
  'name',
  'wasm',
  'schema',
  'rootId',
  'type',
  'phase',
  'priority',
  'mode',
  'capabilities',
  'upstreams',
  'isolation',
  'failStrategy',
  'defaultConfig',
] as const satisfies readonly (keyof PluginManifest)[];

const AT = 'mesh.plugin';
const MOST_ITEMS = 64;

/** From a parsed package.json. Throws ManifestError, also when it is no plugin's. */
export function decodeManifest(packageJson: unknown): PluginManifest {
  if (!isObject(packageJson)) throw new ManifestError('package.json holds no object');
  const { mesh } = packageJson;
  if (mesh === undefined) throw new ManifestError('package.json has no field "mesh": this is no plugin');
  if (!isObject(mesh)) throw new ManifestError('mesh must be an object');
  refuseUnknown(mesh, ['plugin'], 'mesh');
  const { plugin } = mesh;
  if (!isObject(plugin)) throw new ManifestError(`${AT} must be an object`);
  refuseUnknown(plugin, KEYS, AT);
  if (plugin.wasm === undefined) throw new ManifestError(`${AT}.wasm is missing: it names the module's file`);
  return {
    name: optional(plugin, 'name', pluginName),
    wasm: path(plugin.wasm, `${AT}.wasm`),
    schema: optional(plugin, 'schema', path),
    rootId: optional(plugin, 'rootId', text),
    type: optional(plugin, 'type', oneOf('http', 'network', 'service')),
    phase: optional(plugin, 'phase', oneOf('AUTHN', 'AUTHZ', 'STATS')),
    priority: optional(plugin, 'priority', int32),
    mode: optional(plugin, 'mode', oneOf('CLIENT', 'SERVER', 'CLIENT_AND_SERVER')),
    capabilities: optional(plugin, 'capabilities', words),
    upstreams: optional(plugin, 'upstreams', words),
    isolation: optional(plugin, 'isolation', oneOf('inline', 'pool')),
    failStrategy: optional(plugin, 'failStrategy', oneOf('FAIL_CLOSE', 'FAIL_OPEN', 'FAIL_RELOAD')),
    defaultConfig: optional(plugin, 'defaultConfig', structOrText),
  };
}

/** A resource's name: '@weft-mesh/plugin-jwt' and 'mesh-plugin-jwt' are 'jwt', '@acme/jwt' is 'acme-jwt'. */
export function resourceName(packageName: string): string {
  const bare = packageName
    .replace(/^@weft-mesh\/(plugin-)?/, '')
    .replace(/^(@[^/]+\/)?mesh-plugin-/, '$1')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 63);
  return bare === '' ? 'plugin' : bare.replace(/-$/, '');
}

type Decoder<T> = (value: unknown, at: string) => T;

function optional<T>(from: Record<string, unknown>, key: string, decode: Decoder<T>): T | undefined {
  return from[key] === undefined ? undefined : decode(from[key], `${AT}.${key}`);
}

function refuseUnknown(from: Record<string, unknown>, known: readonly string[], at: string): void {
  const unknown = Object.keys(from).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new ManifestError(`${at} has no field ${quote(unknown)}; it has ${known.join(', ')}`);
}

function text(value: unknown, at: string): string {
  if (typeof value === 'string' && value.length <= 1024) return value;
  throw new ManifestError(`${at} must be a string`);
}

function pluginName(value: unknown, at: string): string {
  if (typeof value === 'string' && /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(value)) return value;
  throw new ManifestError(`${at} must be lower-case letters, digits and dashes, at most 63, not ${quote(value)}`);
}

/** Of a file inside the package. */
function path(value: unknown, at: string): string {
  const given = text(value, at);
  const parts = given.replace(/^\.\//, '').split('/');
  const inside = parts.every((part) => part !== '' && part !== '..' && part !== '.') && !/[\\\0:]/.test(given);
  if (!inside) throw new ManifestError(`${at} must be the path of a file in the package, not ${quote(given)}`);
  return parts.join('/');
}

function oneOf<const T extends string>(...words: readonly T[]): Decoder<T> {
  return (value, at) => {
    const found = words.find((word) => word === value);
    if (found === undefined) throw new ManifestError(`${at} must be ${words.join(' or ')}, not ${quote(value)}`);
    return found;
  };
}

function int32(value: unknown, at: string): number {
  if (typeof value === 'number' && (value | 0) === value) return value;
  throw new ManifestError(`${at} must be a whole number of 32 bits, not ${quote(value)}`);
}

function words(value: unknown, at: string): readonly string[] {
  if (!Array.isArray(value) || value.length > MOST_ITEMS) {
    throw new ManifestError(`${at} must be a list of at most ${MOST_ITEMS} strings`);
  }
  value.forEach((item, index) => {
    if (typeof item !== 'string' || item === '') throw new ManifestError(`${at}[${index}] must be a string`);
  });
  return [...new Set(value as string[])];
}

function structOrText(value: unknown, at: string): Readonly<Record<string, unknown>> | string {
  if (isObject(value) || typeof value === 'string') return value;
  throw new ManifestError(`${at} must be an object or a text`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function quote(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 80);
}
