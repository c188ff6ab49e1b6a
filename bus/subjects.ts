// Names on the wire: streams, subjects, and what each role may publish and subscribe to. A proxy gets no right to create
// consumers: their deliver subject is not checked against permissions, so it reads streams by direct gets only.

/** Where a log of commits lies. */
export interface LogNames {
  readonly stream: string;
  /** Compare-and-set publishes go here; subscribers would also see the refused ones, so nobody subscribes. */
  readonly commits: string;
  /** Where the stream republishes what it really stored, with its sequence. */
  readonly heard: string;
  readonly manifestStream: string;
  readonly manifests: string;
  /** Packs of large commits and manifests; swept when history is. */
  readonly bucket: string;
}

/** The configuration: written by applies. */
export const CONFIG_LOG: LogNames = {
  stream: 'WEFT_CONFIG',
  commits: 'weft.config.commit',
  heard: 'weft.log.commit',
  manifestStream: 'WEFT_MANIFESTS',
  manifests: 'weft.config.manifest',
  bucket: 'weft-config',
};

/** Who serves what, by proxy: written by one of the control planes from the leases that they alone read. */
export const ENDPOINT_LOG: LogNames = {
  stream: 'WEFT_ENDPOINTS',
  commits: 'weft.endpoints.commit',
  heard: 'weft.log.endpoints',
  manifestStream: 'WEFT_ENDPOINT_MANIFESTS',
  manifests: 'weft.endpoints.manifest',
  bucket: 'weft-endpoints',
};

/** Which control plane writes the endpoints: the newest message is its claim. */
export const WRITER_STREAM = 'WEFT_WRITER';
export const WRITER_SUBJECT = 'weft.writer';

export const LEASE_STREAM = 'WEFT_LEASES';
export const LEASE_PREFIX = 'weft.lease';
/** The control plane's own life sign: shows readers of leases that the bus still delivers. */
export const PULSE_SUBJECT = 'weft.pulse';

export const STATUS_STREAM = 'WEFT_STATUS';
export const STATUS_PREFIX = 'weft.status';

/** Plugins and whatever else is put by digest; never swept by the log. */
export const OBJECT_BUCKET = 'weft-objects';

export type Role = 'control' | 'proxy';

/** The user of one proxy alone; the user `proxy` may speak for any. */
export function proxyUser(id: string): string {
  return `proxy.${subjectToken(id)}`;
}

/** Replies to one role, or to one proxy with a user of its own, are readable by no other. */
export function inboxPrefix(role: Role, user?: string): string {
  const own = role === 'proxy' && user?.startsWith('proxy.') ? `_${user.slice('proxy.'.length)}` : '';
  return `_INBOX_${role}${own}`;
}

/** Subjects a role may publish and subscribe to. `proxy` narrows a proxy's own subjects to one node id. */
export function permissions(role: Role, proxy?: string): { publish: string[]; subscribe: string[] } {
  if (role === 'control') {
    return {
      publish: ['weft.>', '$JS.API.>', '$JS.ACK.>', '$JS.FC.>', '$O.>'],
      subscribe: ['weft.>', `${inboxPrefix('control')}.>`],
    };
  }
  const own = proxy === undefined ? '*' : subjectToken(proxy);
  const logs = [CONFIG_LOG, ENDPOINT_LOG];
  const streams = logs.flatMap(({ stream, manifestStream }) => [stream, manifestStream]);
  const read = [...streams, ...logs.map(({ bucket }) => `OBJ_${bucket}`), `OBJ_${OBJECT_BUCKET}`];
  return {
    publish: [
      `${LEASE_PREFIX}.${own}`,
      `${STATUS_PREFIX}.${own}`,
      ...read.flatMap((stream) => [`$JS.API.DIRECT.GET.${stream}`, `$JS.API.DIRECT.GET.${stream}.>`]),
      ...streams.map((stream) => `$JS.API.STREAM.INFO.${stream}`),
    ],
    subscribe: [...logs.map(({ heard }) => heard), `${inboxPrefix('proxy', proxy && proxyUser(proxy))}.>`],
  };
}

/** A node id as one subject token: letters, digits, `-` and `_` as they are, every other byte as `=XX`. */
export function subjectToken(id: string): string {
  if (id === '' || id.length > 200) throw new RangeError(`a node id has 1 to 200 characters, not ${id.length}`);
  return id.replace(/[^A-Za-z0-9_-]/gu, (char) =>
    [...Buffer.from(char)].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

/** The node id that a token stands for; null when it is no such token. */
export function tokenId(token: string): string | null {
  if (!/^(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+$/.test(token)) return null;
  const bytes = token.replace(
    /=([0-9A-F]{2})|./g,
    (char, hex: string | undefined) => hex ?? char.charCodeAt(0).toString(16),
  );
  return Buffer.from(bytes, 'hex').toString();
}
