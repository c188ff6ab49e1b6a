// The embedded NATS: a real nats-server with JetStream as a child process on loopback. It outlives nobody: its guard, a shell
// that holds a pipe from this process, ends it when the pipe closes, which it also does when this process is killed.
import { spawn } from 'node:child_process';
import { createServer, isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { openLink } from '../dial.ts';
import { INFO_PREFIX, inboxPrefix } from '../subjects.ts';
import { accountTokens, publicKey, type Revocations } from '../users/accounts.ts';
import { fixedLogin } from '../users/login.ts';
import { joinRevocations, revocationsIn } from '../users/revocations.ts';
import { type FindNatsOptions, findNatsServer } from './nats-binary.ts';
import { noneOtherOn } from './other-server.ts';
import {
  type BusCredentials,
  ensureCredentials,
  keepAccountKnown,
  makePrivateFolder,
  readIfThere,
  serverConf,
  takeOverStore,
  writePrivate,
} from './server-conf.ts';

export interface NatsServerOptions extends FindNatsOptions {
  /** Holds configuration, users and data; made with 0700. */
  readonly stateDir: string;
  /** 0, the default, is the port of the last time when it is free, else any free one. */
  readonly port?: number;
  /** Where it listens in place of 127.0.0.1, by TLS. */
  readonly tls?: ServerTls;
  /** Ends a start that is not over yet; it rejects then. */
  readonly signal?: AbortSignal;
  /** Each line that nats-server logs. */
  onLog?(line: string): void;
}

/** An address of this machine, and what shows that it is this server's: all in PEM. */
export interface ServerTls {
  readonly address: string;
  readonly key: string;
  /** Its certificate, and all up to the root. */
  readonly chain: string;
  /** By which clients know it. */
  readonly roots: string;
}

export interface NatsServer {
  /** 'nats://127.0.0.1:4222' */
  readonly url: string;
  /** By which its certificate is known, in PEM; undefined: it speaks plain text. */
  readonly ca: string | undefined;
  readonly credentials: BusCredentials;
  /** Of nats-server itself. */
  readonly pid: number;
  readonly version: string;
  /** Resolves when nats-server is gone, for whatever reason. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** Lets no such user in from the first moment of each further start. Returns all that are kept out, those of before too. */
  keepOut(revocations: Revocations): Promise<Revocations>;
  /** Ends it, in order first. Data, users and port stay for the next start. */
  stop(): Promise<void>;
}

/** In the folder, where backups leave them out. */
const TLS_CERTIFICATE = 'tls-cert.pem';
const TLS_KEY = 'tls-key.pem';
const READY_MS = 30_000;
/** A server that is frozen, or whose disk is, does not end by itself. */
const STOP_MS = 5_000;

// $1 = nats-server, $2 = configuration. Descriptor 3 is the pipe; a background job would get /dev/null as its input.
const GUARD = `
exec 3<&0
"$1" -c "$2" </dev/null 3<&- &
server=$!
( cat <&3 >/dev/null; kill -TERM $server 2>/dev/null; sleep 10; kill -KILL $server 2>/dev/null ) >/dev/null 2>&1 &
watch=$!
exec 3<&-
trap 'kill -TERM $server 2>/dev/null' TERM INT HUP
wait $server
code=$?
while kill -0 $server 2>/dev/null; do wait $server; code=$?; done
kill -KILL $watch 2>/dev/null
exit $code
`;

/**
 * Starts it and waits until JetStream answers. Throws an Error in one sentence when there is no nats-server, the port is taken,
 * another server uses the folder, or it does not come up.
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const dir = resolve(options.stateDir);
  await makePrivateFolder(dir);
  const binary = await findNatsServer(options);
  const pidFile = join(dir, 'nats.pid');
  const ownerFile = join(dir, 'owner');
  await noneOtherOn({ dir, pidFile, ownerFile }, options.onProgress);
  await writePrivate(ownerFile, `${process.pid}\n`);
  const credentials = await ensureCredentials(dir);
  const { tls } = options;
  const host = tls?.address ?? '127.0.0.1';
  const port = await choosePort(host, options.port ?? 0, join(dir, 'port'));
  const files = tls === undefined ? null : { certificate: join(dir, TLS_CERTIFICATE), key: join(dir, TLS_KEY) };
  if (tls !== undefined && files !== null) {
    await writePrivate(files.certificate, tls.chain);
    await writePrivate(files.key, tls.key);
  }
  const confFile = join(dir, 'nats.conf');
  const { keys } = credentials.control;
  const storeDir = join(dir, 'data');
  await takeOverStore(storeDir, keys);
  await keepAccountKnown(storeDir, keys);
  const write = async (more: Revocations): Promise<Revocations> => {
    const kept = revocationsIn(await readIfThere(confFile), publicKey(keys.proxies));
    const all = joinRevocations(kept, more);
    await writePrivate(
      confFile,
      serverConf({ host, port, tls: files, storeDir, pidFile, tokens: await accountTokens(keys, all) }),
    );
    return all;
  };
  let writing: Promise<unknown> = Promise.resolve();
  // One after the other: each reads what the one before has written.
  const keepOut = (more: Revocations): Promise<Revocations> => {
    const written = writing.then(() => write(more));
    writing = written.catch(() => {});
    return written;
  };
  await keepOut({});

  const guard = spawn('/bin/sh', ['-c', GUARD, 'nats-guard', binary.path, confFile], {
    stdio: ['pipe', 'ignore', 'pipe'],
    // Its own process group: Ctrl-C at a terminal is for us to hear first.
    detached: true,
  });
  const lines: string[] = [];
  createInterface({ input: guard.stderr }).on('line', (line) => {
    lines.push(line);
    if (lines.length > 20) lines.shift();
    options.onLog?.(line);
  });
  // The guard may be gone before the pipe is closed.
  guard.stdin.on('error', () => guard.stdin.destroy());
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolveExit) => {
    guard.once('error', () => resolveExit({ code: null, signal: null }));
    guard.once('exit', (code, signal) => {
      guard.stdin.destroy();
      // A shell reports its child's signal as 128 + its number.
      const signals: Readonly<Record<number, string>> = { 130: 'SIGINT', 137: 'SIGKILL', 143: 'SIGTERM' };
      const killed = signal ?? signals[code ?? 0] ?? null;
      resolveExit(killed === null ? { code, signal: null } : { code: null, signal: killed });
    });
  });
  let pid = 0;
  const stop = async (): Promise<void> => {
    guard.kill('SIGTERM');
    // The guard is the first of a group of its own, and takes note of the server's end when it can.
    const timers = [
      setTimeout(() => pid > 0 && kill(pid), STOP_MS),
      setTimeout(() => kill(-guard.pid!), STOP_MS + 1_000),
    ];
    await exited;
    for (const timer of timers) clearTimeout(timer);
  };

  const url = `nats://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const ca = tls?.roots;
  try {
    await ready({ url, ca, credentials }, exited, options.signal);
  } catch (error) {
    await stop();
    options.signal?.throwIfAborted();
    const last = lines.filter((line) => /\[(FTL|ERR)\]|nats-server:/.test(line)).at(-1) ?? lines.at(-1);
    throw new Error(`nats-server did not start: ${last?.replace(/^\[\d+\] \S+ \S+ /, '') ?? (error as Error).message}`);
  }
  pid = Number(await readIfThere(pidFile));

  return { url, ca, credentials, pid, version: binary.version, exited, keepOut, stop };
}

async function ready(
  { url, ca, credentials }: Pick<NatsServer, 'url' | 'ca' | 'credentials'>,
  exited: Promise<unknown>,
  stopped?: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  void exited.then(() => gone.abort(new Error('it ended')));
  const login = fixedLogin(credentials.control);
  const prefix = inboxPrefix();
  const name = 'weft start';
  const waitMs = READY_MS;
  const signal = stopped === undefined ? gone.signal : AbortSignal.any([gone.signal, stopped]);
  const link = await openLink({
    servers: [url],
    ca,
    login,
    name,
    inboxPrefix: prefix,
    infoPrefix: INFO_PREFIX,
    waitMs,
    signal,
  });
  try {
    const deadline = performance.now() + READY_MS;
    // JetStream recovers its files before it answers.
    for (;;) {
      try {
        await link.request('$JS.API.INFO', '', undefined, 1_000);
        return;
      } catch (error) {
        if (performance.now() > deadline || signal.aborted) throw error;
        await delay(50);
      }
    }
  } finally {
    await link.close();
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It went in this very moment.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function choosePort(host: string, wanted: number, file: string): Promise<number> {
  const last = Number((await readIfThere(file)) ?? 0);
  const candidates = wanted !== 0 ? [wanted] : Number.isInteger(last) && last > 0 && last < 65_536 ? [last, 0] : [0];
  for (const candidate of candidates) {
    const port = await tryPort(host, candidate);
    if (port === null) continue;
    if (port !== last) await writePrivate(file, `${port}\n`);
    return port;
  }
  throw new Error(`port ${wanted} on ${host} is in use: NATS cannot listen there`);
}

function tryPort(host: string, port: number): Promise<number | null> {
  return new Promise((resolvePort) => {
    const probe = createServer();
    probe.once('error', () => resolvePort(null));
    probe.listen({ port, host, exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => resolvePort(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}
