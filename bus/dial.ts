// Connects to NATS, trying again until it is let in or the time is over: the way to a Link.
import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import { type Authenticator, connect, type NatsConnection, NatsError, type TlsOptions } from 'nats';
import { explain, Link, type LinkOptions, type Login, refusedVersion } from './link.ts';
import { BusUnavailableError } from './types.ts';
import { NKey } from './users/nkey.ts';

const RECONNECT_MS = 200;
/** Of one attempt to connect, where there are other servers, and where there is one: it lets a whole mesh in that starts at once. */
const DIAL_MS = 3_000;
const LONE_DIAL_MS = 5_000;

/** By a signature under what the server asked. */
function proven(login: Login): Authenticator {
  const key = login.seed === '' ? null : new NKey(login.seed);
  return (nonce) => {
    // A server that lets in everybody asks nothing.
    const sig =
      key === null || nonce === undefined ? '' : Buffer.from(key.sign(Buffer.from(nonce))).toString('base64url');
    return { jwt: login.jwt(), nkey: key?.publicKey ?? '', sig };
  };
}

/** A server that no mesh can be on. */
class UnfitError extends Error {}

/** Connects, trying again until `waitMs` is over. Throws BusUnavailableError with the last reason. */
export async function openLink(options: LinkOptions): Promise<Link> {
  const deadline = performance.now() + options.waitMs;
  const authenticator = proven(options.login);
  const dialMs = options.servers.length > 1 ? DIAL_MS : Math.min(Math.max(DIAL_MS, options.waitMs), LONE_DIAL_MS);
  let told = '';
  for (let pause = 100; ; pause = Math.min(pause * 2, 2_000)) {
    options.signal?.throwIfAborted();
    try {
      const connecting = connect({
        servers: [...options.servers],
        tls: options.ca === undefined ? undefined : tlsTo(options.servers, options.ca),
        authenticator,
        name: options.name,
        inboxPrefix: options.inboxPrefix,
        timeout: dialMs,
        maxReconnectAttempts: -1,
        reconnectDelayHandler: () => RECONNECT_MS + Math.random() * Math.max(RECONNECT_MS, options.spreadMs?.() ?? 0),
        // A frozen server is left after 20 s.
        pingInterval: 10_000,
        maxPingOut: 1,
        ignoreAuthErrorAbort: true,
        ignoreClusterUpdates: options.alone,
        noAsyncTraces: true,
      });
      const nc = await unlessAborted(connecting, options.signal);
      const unfit = refusedVersion(nc);
      if (unfit !== '') {
        await nc.close();
        throw new UnfitError(unfit);
      }
      options.onConnection?.('connected', nc.getServer());
      return new Link(nc, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      const reason = explain(error, options.servers.join(', '), dialMs);
      const unknown = error instanceof NatsError && error.code === 'AUTHORIZATION_VIOLATION';
      if (unknown) await options.login.refused();
      const refused = unknown || error instanceof UnfitError;
      if (performance.now() + pause > deadline || (refused && Number.isFinite(options.waitMs))) {
        throw new BusUnavailableError(`cannot connect to NATS at ${options.servers.join(', ')}: ${reason}`);
      }
      if (reason !== told) options.onConnection?.('disconnected', reason);
      told = reason;
      // It rejects when the signal says so, and then with an error of its own.
      await delay(pause, undefined, { signal: options.signal }).catch(() => options.signal?.throwIfAborted());
    }
  }
}

/** The library checks no name where servers are known by addresses: of those that are asked it is one. */
function tlsTo(servers: readonly string[], ca: string): TlsOptions {
  const hosts = servers.map((server) => new URL(server).hostname.replace(/^\[|\]$/g, ''));
  const own: ConnectionOptions = {
    ca,
    checkServerIdentity: (_, certificate) => {
      const faults = hosts.map((host) => checkServerIdentity(host, certificate));
      return faults.includes(undefined) ? undefined : faults[0];
    },
  };
  return own as TlsOptions;
}

/** Rejects as soon as the signal says so; a connection that comes later is closed. */
async function unlessAborted(connecting: Promise<NatsConnection>, signal: AbortSignal | undefined) {
  if (signal === undefined) return connecting;
  const aborted = Promise.withResolvers<never>();
  const abort = () => {
    aborted.reject(signal.reason);
    connecting.then(
      (late) => late.close(),
      // It did not come.
      () => null,
    );
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([connecting, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
