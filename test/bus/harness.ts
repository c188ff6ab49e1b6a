// A real nats-server in a folder of its own, and connections to it that are closed again.
import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OpenBusOptions, openBus } from '../../bus/connect.ts';
import { EMPTY_STATE } from '../../bus/log/commit-format.ts';
import { type NatsServer, startNatsServer } from '../../bus/server/server.ts';
import type { Role } from '../../bus/subjects.ts';
import type { Bus, ConfigLog, ConfigState, ProxyIdentity, ProxyUser, StoredResource } from '../../bus/types.ts';
import { proxyUser } from '../../bus/users/accounts.ts';
import { NKey } from '../../bus/users/nkey.ts';

export interface Mesh {
  readonly server: NatsServer;
  readonly stateDir: string;
  /** `node`: of a proxy, in the namespace default. */
  open(role: Role, options?: Partial<OpenBusOptions> & { readonly node?: string }): Promise<Bus>;
  /** A user for a node, made without a control plane. */
  user(node: string, identity?: Partial<ProxyIdentity>, lifeMs?: number): ProxyUser;
  /** Kills the server as a crash would; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again, on the same port with the same data. */
  start(): Promise<void>;
  /** A crash, between which and the next start its data are changed: lost when `change` is not given. */
  crash(change?: (data: string) => Promise<void>): Promise<void>;
  /** A copy of its data as they are now; what it returns puts them back. */
  copy(): Promise<() => Promise<void>>;
  /** Closes every connection, ends the server, removes the folder. */
  stop(): Promise<void>;
}

/** Whoever starts it registers `stop` to run afterwards. `path`: the folder of a nats-server, in place of the usual one. */
export async function startMesh(binary: { readonly path?: string } = {}): Promise<Mesh> {
  const stateDir = await mkdtemp(join(tmpdir(), 'weft-bus-'));
  const buses: Bus[] = [];
  let server = await startNatsServer({ stateDir, ...binary });
  const mesh: Mesh = {
    get server() {
      return server;
    },
    stateDir,
    async open(role, { node = 'proxy', ...options } = {}) {
      const { control, proxy } = server.credentials;
      const bus = await openBus({
        servers: [server.url],
        name: `test ${role}`,
        role,
        ...(role === 'control'
          ? { ...control, keepOut: (revoked) => server.keepOut(revoked) }
          : { ...proxy, user: mesh.user(node) }),
        confirmMs: 1_000,
        ...options,
      });
      buses.push(bus);
      return bus;
    },
    user(node, identity, lifeMs = 3_600_000) {
      const who = { namespace: 'default', serviceAccount: 'default', node, ...identity };
      const { keys } = server.credentials.control;
      return {
        identity: who,
        seed: NKey.generate('user').seed,
        jwt: '',
        enrol: async (key) => proxyUser(keys, key, who, Math.floor((Date.now() + lifeMs) / 1_000)),
        keep: () => {},
      };
    },
    async kill() {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    async start() {
      server = await startNatsServer({ stateDir, ...binary });
    },
    async crash(change = (data) => rm(data, { recursive: true })) {
      await mesh.kill();
      await change(join(stateDir, 'data'));
      await mesh.start();
    },
    async copy() {
      await mesh.kill();
      const copy = `${stateDir}.copy`;
      await cp(join(stateDir, 'data'), copy, { recursive: true });
      await mesh.start();
      return () =>
        mesh.crash(async (data) => {
          await rm(data, { recursive: true });
          await rename(copy, data);
        });
    },
    async stop() {
      await Promise.all(buses.map((bus) => bus.close()));
      await server.stop();
      for (const dir of [stateDir, `${stateDir}.copy`]) await rm(dir, { recursive: true, force: true });
    },
  };
  return mesh;
}

export interface Watched {
  readonly commits: number[];
  readonly states: number[];
  state: ConfigState;
  close(): Promise<void>;
  /** Resolves when the follower is at a revision or beyond. */
  reached(revision: number): Promise<void>;
}

/** Follows a log and keeps what it is told, as a proxy would. */
export async function watch(
  log: ConfigLog,
  apply: (state: ConfigState, commit: Parameters<Parameters<ConfigLog['follow']>[1]['commit']>[0]) => ConfigState,
  from: ConfigState | null = null,
): Promise<Watched> {
  let wake: (() => void)[] = [];
  const told = () => {
    for (const each of wake.splice(0)) each();
  };
  const watched: Watched = {
    commits: [],
    states: [],
    state: from ?? EMPTY_STATE,
    close: () => subscription.close(),
    async reached(revision) {
      while (watched.state.revision < revision) await new Promise<void>((resolve) => wake.push(resolve));
    },
  };
  const subscription = await log.follow(from, {
    commit(commit) {
      watched.commits.push(commit.revision);
      watched.state = apply(watched.state, commit);
      told();
    },
    state(state) {
      watched.states.push(state.revision);
      watched.state = state;
      told();
    },
  });
  wake = [];
  return watched;
}

export function resources(count: number, value: unknown, prefix = 'r'): StoredResource[] {
  return Array.from({ length: count }, (_, n) => ({ key: `Thing/default/${prefix}${n}`, body: { value } }));
}
