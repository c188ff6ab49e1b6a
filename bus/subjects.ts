// Names on the wire: streams, subjects, and what a proxy may publish and subscribe to. What it says comes on subjects of its own,
// which name who speaks.
import type { ProxyIdentity } from './types.ts';

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

/** Signs of life of proxies, which nothing stores: they renew a lease and answer for a revision. */
export const ALIVE_PREFIX = 'weft.alive';
/** On which a control plane asks everybody for one. */
export const CALL_SUBJECT = 'weft.log.call';
/** On which one control plane tells everybody where the logs stand. */
export const HEADS_SUBJECT = 'weft.log.heads';

export const STATUS_STREAM = 'WEFT_STATUS';
export const STATUS_PREFIX = 'weft.status';

/** Users of proxies: which key was let in as whom. */
export const USER_STREAM = 'WEFT_USERS';
export const USER_PREFIX = 'weft.user';
export const REVOKED_PREFIX = 'weft.revoked';
/** On which control planes tell each other that there are more of them. */
export const REVOCATIONS_SUBJECT = 'weft.revocations';
/** On which a proxy asks for its user's next JWT. */
export const RENEW_PREFIX = 'weft.renew';

/** On which a proxy asks for its workload's next certificate. */
export const CERTIFICATE_PREFIX = 'weft.certificate';

/** On which a proxy asks for a secret of its namespace; and where these lie, sealed, a record each. */
export const SECRET_PREFIX = 'weft.secret';
export const SECRET_STREAM = 'WEFT_SECRETS';
export const SECRET_SUBJECT = 'weft.sealed';

/** On which a proxy hears what operators ask of it, and on which it answers. */
export const ASK_PREFIX = 'weft.ask';
export const ANSWER_PREFIX = 'weft.answer';

/** Roots of the authorities whose certificates count: the newest message has all of them. */
export const TRUST_STREAM = 'WEFT_TRUST';
export const TRUST_SUBJECT = 'weft.trust';

/** By which machines and proxies join: a record each, by its id. */
export const TOKEN_STREAM = 'WEFT_TOKENS';
export const TOKEN_PREFIX = 'weft.token';

/** Tokens of the API, by name, and when each was last used. */
export const ACCESS_STREAM = 'WEFT_ACCESS';
export const ACCESS_SUBJECT = 'weft.access.token';
export const USES_SUBJECT = 'weft.access.use';
/** Where the stream republishes what it really stored. */
export const ACCESS_HEARD = 'weft.told.access';

/** Plugins and whatever else is put by digest; never swept by the log. */
export const OBJECT_BUCKET = 'weft-objects';

export type Role = 'control' | 'proxy';

/** Readers take who somebody is from the subject, never from what a message says. */
export type Identity = ProxyIdentity;

/** The subject under which one proxy says something: 'weft.lease.default.bookinfo-reviews.reviews-v1-1'. */
export function subjectOf(prefix: string, identity: Identity): string {
  let who = TOKENS.get(identity);
  if (who === undefined) {
    const { namespace, serviceAccount, node } = identity;
    who = [namespace, serviceAccount, node].map(subjectToken).join('.');
    TOKENS.set(identity, who);
  }
  return `${prefix}.${who}`;
}

/** Of each identity, which speaks on a dozen subjects. */
const TOKENS = new WeakMap<Identity, string>();

/** Who says something on a subject; null for one that is nobody's. */
export function identityOf(prefix: string, subject: string): Identity | null {
  const tokens = subject.slice(prefix.length + 1).split('.');
  const [namespace, serviceAccount, node] = tokens.map(tokenId);
  if (tokens.length !== 3 || namespace === null || serviceAccount === null || node === null) return null;
  return { namespace, serviceAccount, node };
}

/** Who speaks of the node `id` over this connection. Throws RangeError when that is another, or nobody. */
export function ownIdentity(identity: Identity | undefined, id: string): Identity {
  if (identity?.node === id) return identity;
  throw new RangeError(`${identity?.node ?? 'a control plane'} cannot speak for ${id}`);
}

/** Every proxy's subjects under a prefix. */
export function everybody(prefix: string): string {
  return `${prefix}.*.*.*`;
}

/** Answers to one proxy are readable by no other. Without an identity: a control plane's. */
export function inboxPrefix(identity?: Identity): string {
  return identity === undefined ? '_INBOX_control' : subjectOf('_INBOX', identity);
}

const LOGS = [CONFIG_LOG, ENDPOINT_LOG];
const READ = [
  ...LOGS.flatMap(({ stream, manifestStream, bucket }) => [stream, manifestStream, `OBJ_${bucket}`]),
  `OBJ_${OBJECT_BUCKET}`,
];
/** Under which a control plane asks about streams, and under which a proxy does: its account has no JetStream of its own. */
export const INFO_PREFIX = '$JS.API.STREAM.INFO';
export const PROXY_INFO_PREFIX = 'weft.info';
/** The same of questions for a message to the leader of a stream. */
const MESSAGE_PREFIX = '$JS.API.STREAM.MSG.GET';
export const PROXY_MESSAGE_PREFIX = 'weft.message';
const DESCRIBED = LOGS.flatMap(({ stream, manifestStream }) => [stream, manifestStream]);
const QUESTIONS = READ.flatMap((stream) => [`$JS.API.DIRECT.GET.${stream}`, `$JS.API.DIRECT.GET.${stream}.>`]);
const TOLD = [...LOGS.map(({ heard }) => heard), HEADS_SUBJECT, CALL_SUBJECT];
const SAID = [
  LEASE_PREFIX,
  ALIVE_PREFIX,
  STATUS_PREFIX,
  RENEW_PREFIX,
  CERTIFICATE_PREFIX,
  SECRET_PREFIX,
  ANSWER_PREFIX,
];

export interface Export {
  readonly name: string;
  readonly subject: string;
  /** What it is called by proxies, where that is something else. */
  readonly local?: string;
  readonly type: 'service' | 'stream';
}

/** What the account that owns everything lets the proxies' account ask, say and hear. */
export function exportsOf(): Export[] {
  const services = [...QUESTIONS, ...SAID.map(everybody)];
  return [
    ...services.map((subject) => ({ name: subject, subject, type: 'service' as const })),
    ...DESCRIBED.map((stream) => renamed(stream, INFO_PREFIX, PROXY_INFO_PREFIX)),
    ...READ.map((stream) => renamed(stream, MESSAGE_PREFIX, PROXY_MESSAGE_PREFIX)),
    ...[...TOLD, everybody(ASK_PREFIX)].map((subject) => ({ name: subject, subject, type: 'stream' as const })),
  ];
}

function renamed(stream: string, prefix: string, local: string): Export {
  const subject = `${prefix}.${stream}`;
  return { name: subject, subject, local: `${local}.${stream}`, type: 'service' };
}

/** Of all that, what one proxy may. It may not create consumers, and reads streams by direct gets only. */
export function proxyPermissions(identity: Identity): { publish: string[]; subscribe: string[] } {
  return {
    publish: [
      ...QUESTIONS,
      ...DESCRIBED.map((stream) => `${PROXY_INFO_PREFIX}.${stream}`),
      ...READ.map((stream) => `${PROXY_MESSAGE_PREFIX}.${stream}`),
      ...SAID.map((prefix) => subjectOf(prefix, identity)),
    ],
    subscribe: [...TOLD, subjectOf(ASK_PREFIX, identity), `${inboxPrefix(identity)}.>`],
  };
}

/** A name as one subject token: letters, digits, `-` and `_` as they are, every other byte as `=XX`. */
export function subjectToken(id: string): string {
  if (id === '' || id.length > 200) throw new RangeError(`a name has 1 to 200 characters, not ${id.length}`);
  return id.replace(/[^A-Za-z0-9_-]/gu, (char) =>
    [...Buffer.from(char)].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

/** The name that a token stands for; null when it is no such token. */
export function tokenId(token: string): string | null {
  if (!/^(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+$/.test(token)) return null;
  const bytes = token.replace(
    /=([0-9A-F]{2})|./g,
    (char, hex: string | undefined) => hex ?? char.charCodeAt(0).toString(16),
  );
  return Buffer.from(bytes, 'hex').toString();
}
