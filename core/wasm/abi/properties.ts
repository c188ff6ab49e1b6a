// Properties in Envoy's binary encoding: text raw (latin1, or UTF-8 where it may be more), integers, durations and times 8 bytes
// little-endian, booleans one byte. What is not known is undefined, which guests see as NOT_FOUND. The attributes of an exchange
// are core/attributes.ts's; here is what guests have beside them: their plugin, the node, the token, and what filters set.

import {
  ATTRIBUTES,
  type Attribute,
  type AttributeName,
  type AttributeType,
  attributeNamed,
  OF_CONNECTION,
  type ScalarAttribute,
} from '../../attributes.ts';
import type { ExchangeRecord } from '../../exchange/record.ts';
import type { Node } from '../../workload.ts';
import type { GuestContext } from './guest.ts';
import { encodePairs } from './pairs.ts';

/** A latin1 string, bytes that are valid until the next property is read, or undefined: not there. */
export type Property = string | Uint8Array | undefined;

/** Reads one property for whoever a host function acts for. */
export type PropertyReader = (context: GuestContext, node: Node) => Property;

const SEPARATOR = '\0';
const FILTER_CONFIG = 'weft\0filter_config';
const PRINCIPAL = 'weft\0jwt\0principal';
const CLAIM = 'weft\0jwt\0claim\0';
const CLAIM_VALUES = 'weft\0jwt\0claim_values\0';
const METADATA = 'node\0metadata\0';

/** Other names of attributes, which only guests know. */
const ALIASES: Readonly<Record<string, AttributeName>> = {
  cluster_name: 'xds.cluster_name',
  route_name: 'xds.route_name',
  listener_direction: 'xds.listener_direction',
  'weft.source_principal': 'source.principal',
  'weft.destination_service': 'destination.service.host',
};

const BY_PATH: ReadonlyMap<string, Attribute> = new Map(
  [
    ...Object.entries(ATTRIBUTES),
    ...Object.entries(ALIASES).map(([alias, name]) => [alias, ATTRIBUTES[name]] as const),
  ].map(([name, attribute]) => [name.replaceAll('.', SEPARATOR), attribute]),
);

/** What the property `name`, with dots, is; null for what is no attribute: bytes. */
export function propertyType(name: string): AttributeType | null {
  return attributeNamed(Object.hasOwn(ALIASES, name) ? ALIASES[name] : name)?.type ?? null;
}

/** Who reads the property at `path`, segments joined by NUL. Worked out once, since guests ask for the same ones. */
export function propertyReader(path: string): PropertyReader {
  const attribute = attributeReader(path) ?? mapReader(path) ?? entryReader(path);
  return attribute ?? tokenReader(path) ?? pluginReader(path) ?? stateReader(path);
}

/** True for what nothing changes during a filter's callback about a head but a call of weft_verify_token. */
export function isSteady(path: string): boolean {
  const beside =
    path === FILTER_CONFIG || path === PRINCIPAL || path.startsWith(CLAIM) || path.startsWith(CLAIM_VALUES);
  return beside || BY_PATH.get(path)?.steady === true;
}

function attributeReader(path: string): PropertyReader | null {
  const attribute = BY_PATH.get(path);
  if (attribute === undefined || attribute.type === 'map') return null;
  const read = encoded(attribute);
  const found = Object.entries(OF_CONNECTION).find(([, row]) => row === attribute);
  const readConnection = found === undefined ? null : encoded(found[1]);
  return (context) => {
    const record = recordOf(context);
    if (record !== null) return read(record);
    const { connection } = context;
    return connection === null ? undefined : readConnection?.(connection.owner.record);
  };
}

/** Of an exchange, or of a connection that is carried as bytes. */
function recordOf({ stream, connection }: GuestContext): ExchangeRecord | null {
  return stream?.record ?? connection?.owner.exchange ?? null;
}

/** `request.headers` whole, as header maps are handed to guests. */
function mapReader(path: string): PropertyReader | null {
  const map = BY_PATH.get(path);
  if (map?.type !== 'map') return null;
  const wire = map.text === 'wire';
  return (context) => {
    const record = recordOf(context);
    const all = record === null ? undefined : map.all(record);
    if (all === undefined) return undefined;
    return encodePairs(wire ? all : all.map(([key, text]) => [inLatin1(key), inLatin1(text)]));
  };
}

/** `request.headers.x` and its like. */
function entryReader(path: string): PropertyReader | null {
  for (let at = path.indexOf(SEPARATOR); at >= 0; at = path.indexOf(SEPARATOR, at + 1)) {
    const map = BY_PATH.get(path.slice(0, at));
    if (map?.type !== 'map') continue;
    const key = path.slice(at + 1);
    const wire = map.text === 'wire';
    const read = map.entry(wire ? key : fromUtf8(key));
    return (context) => {
      const record = recordOf(context);
      const value = record === null ? undefined : read(record);
      return wire ? value : utf8OrNothing(value);
    };
  }
  return null;
}

/** Of the token that authn verified. */
function tokenReader(path: string): PropertyReader | null {
  if (path === 'weft\0jwt') return ({ stream }) => stream?.token?.payload;
  if (path === PRINCIPAL) return ({ stream }) => utf8OrNothing(stream?.token?.principal || undefined);
  const values = path.startsWith(CLAIM_VALUES);
  if (!values && !path.startsWith(CLAIM)) return null;
  const name = fromUtf8(path.slice(values ? CLAIM_VALUES.length : CLAIM.length));
  if (values) return ({ stream }) => stream?.token?.values(name) ?? undefined;
  return ({ stream }) => utf8OrNothing(stream?.token?.text(name) ?? undefined);
}

function pluginReader(path: string): PropertyReader | null {
  switch (path) {
    case FILTER_CONFIG:
      return ({ config }) => config?.bytes;
    case 'plugin_name':
      return ({ plugin }) => utf8(plugin.name);
    case 'plugin_root_id':
      return ({ plugin }) => utf8(plugin.spec.rootId);
    case 'plugin_vm_id':
      return ({ plugin }) => utf8(plugin.spec.vmId);
  }
  const own = path.startsWith('xds\0node\0') ? path.slice(4) : path;
  if (own === 'node\0id') return (_context, node) => utf8(node.id);
  if (own === 'node\0cluster') return (_context, node) => utf8(`${node.workload}.${node.namespace}`);
  if (!own.startsWith(METADATA)) return null;
  const key = own.slice(METADATA.length);
  return (_context, node) => nodeMetadata(key, node);
}

/** What filters left in the exchange, or with the connection. */
function stateReader(path: string): PropertyReader {
  return ({ stream, connection }) => (stream?.state ?? connection?.owner.state)?.get(path);
}

function nodeMetadata(key: string, node: Node): Property {
  switch (key) {
    case 'NAME':
      return utf8(node.name);
    case 'NAMESPACE':
      return utf8(node.namespace);
    case 'WORKLOAD_NAME':
      return utf8(node.workload);
    case 'SERVICE_ACCOUNT':
      return utf8(node.serviceAccount);
    case 'MESH_ID':
      return utf8(node.trustDomain);
    case 'NODE_NAME':
      return utf8(node.id);
    default:
      return key.startsWith('LABELS\0') ? utf8OrNothing(node.labels[key.slice(7)]) : undefined;
  }
}

/** A value of this attribute as a guest is given it. */
function encoded<R>(attribute: ScalarAttribute<R>): (record: R) => Property {
  switch (attribute.type) {
    case 'string': {
      const { read } = attribute;
      return attribute.text === 'wire' ? read : (record) => utf8OrNothing(read(record));
    }
    case 'bool': {
      const { read } = attribute;
      return (record) => {
        const value = read(record);
        return value === undefined ? undefined : value ? TRUE : FALSE;
      };
    }
    case 'int': {
      const { read } = attribute;
      return (record) => {
        const value = read(record);
        return value === undefined ? undefined : integer(value);
      };
    }
    default: {
      const { read } = attribute;
      return (record) => {
        const ms = read(record);
        return ms === undefined ? undefined : integer(Math.round(ms * 1_000_000));
      };
    }
  }
}

/** Paths are latin1 here; names of labels and claims are not. */
function fromUtf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString();
}

/** UTF-8, a character a byte. */
function inLatin1(text: string): string {
  return Buffer.from(text).latin1Slice();
}

function utf8OrNothing(value: string | undefined): Property {
  return value === undefined ? undefined : utf8(value);
}

/** One byte a character while it is ASCII, which nearly all of it is. */
function utf8(value: string): string | Uint8Array {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 127) return Buffer.from(value);
  return value;
}

const TRUE = Uint8Array.of(1);
const FALSE = Uint8Array.of(0);
const EIGHT = new DataView(new ArrayBuffer(8));
const EIGHT_BYTES = new Uint8Array(EIGHT.buffer);

/** The same bytes each time: they are copied into the guest before the next property is read. */
function integer(value: number): Uint8Array {
  const high = Math.floor(value / 2 ** 32);
  EIGHT.setUint32(0, value - high * 2 ** 32, true);
  EIGHT.setInt32(4, high, true);
  return EIGHT_BYTES;
}
