// Starts the control plane: the bus, the state that follows it, and the API in front. Keeps nothing of its own but the token.

import { join } from 'node:path';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyReply } from 'fastify';
import { type OpenBusOptions, openBus } from '../bus/connect.ts';
import { endInOrder } from '../bus/in-order.ts';
import type { ServerTls } from '../bus/server/server.ts';
import type { Bus, Kinship, Position, Subscription } from '../bus/types.ts';
import { hostPort } from '../core/host-port.ts';
import { Access } from './access/access.ts';
import type { ClientAuthority } from './access/certificates.ts';
import { type LimitOptions, Limits, TooManyError } from './access/limits.ts';
import type { Oidc, OidcOptions } from './access/oidc.ts';
import { Refusals } from './access/refusals.ts';
import type { Roles } from './access/roles.ts';
import { AccessTokens } from './access/tokens.ts';
import { ApiError, asApiError } from './api-error.ts';
import { Writer } from './apply.ts';
import { startAuthority } from './authority/authority.ts';
import type { AuthorityFiles } from './authority/files.ts';
import { revoking } from './authority/revoking.ts';
import { Rotation } from './authority/rotation.ts';
import { Checker } from './checker/checker.ts';
import { Discovery } from './discovery.ts';
import { AllowedLeases } from './joining/allowed.ts';
import { Tokens } from './joining/tokens.ts';
import { listenForMachines, type MachineListener } from './machine-listener.ts';
import { Modules } from './modules.ts';
import { DOCS_PAGE, openApi } from './openapi.ts';
import { Rollouts } from './rollout.ts';
import { accessRoutes } from './routes/access.ts';
import type { App } from './routes/app.ts';
import { authorityRoutes } from './routes/authority.ts';
import { backupRoutes } from './routes/backup.ts';
import { changeRoutes } from './routes/changes.ts';
import { joiningRoutes } from './routes/joining.ts';
import { metaRoutes } from './routes/meta.ts';
import { moduleRoutes } from './routes/modules.ts';
import { proxyRoutes } from './routes/proxies.ts';
import { resourceRoutes } from './routes/resources.ts';
import { revisionRoutes } from './routes/revisions.ts';
import { secretRoutes } from './routes/secrets.ts';
import { whenAsked } from './schema-compilers.ts';
import { Secrets } from './secrets.ts';
import { ensureToken, secure } from './security.ts';
import { resourcesOf, Store } from './store.ts';
import { WasmPlugins } from './wasm-plugins.ts';

export interface ControlOptions {
  /** How to reach NATS: `{ servers: [server.url], ...server.credentials.control }`. */
  readonly nats: Pick<OpenBusOptions, 'servers' | 'jwt' | 'seed' | 'signingKey'> &
    Partial<Omit<OpenBusOptions, 'role' | 'onConnection'>>;
  /** Default 127.0.0.1. Another address is reached under its name and `hosts`. */
  readonly host?: string;
  /** 0, the default: any free one. */
  readonly port?: number;
  /** Where other machines reach the API by TLS, on the same port. Default: nowhere. */
  readonly machines?: ServerTls;
  /** Further names under which clients may ask. */
  readonly hosts?: readonly string[];
  /** Keeps the token, as `token`, when none is given. */
  readonly stateDir: string;
  readonly token?: string;
  /** What signs the certificates of workloads. Default: an authority of its own in `authority` of `stateDir`. */
  readonly authority?: Omit<AuthorityFiles, 'dir'>;
  /** Of this program. */
  readonly version: string;
  /** How long the checks of one change may take, in ms. Default 30 s. */
  readonly checkMs?: number;
  /** Modules of WasmPlugins may be fetched from networks of one's own and from this machine. Default false. */
  readonly allowPrivateFetch?: boolean;
  /** What is wrong with the NATS of this machine, as a clause, or ''; told with what could not be done because of it. */
  natsTrouble?(): Promise<string>;
  /** An issuer of which tokens are taken, too. Default: none. */
  readonly oidc?: OidcOptions;
  /** Whose certificates clients may come with, by TLS. Default: nobody's. */
  readonly clients?: ClientAuthority;
  /** What those may for whom an issuer or a certificate speaks. Default: nothing. */
  readonly roles?: Roles;
  /** Of what one client may ask. */
  readonly limits?: LimitOptions;
  /** Ends a start that is not over yet; it rejects then. */
  readonly signal?: AbortSignal;
  /** A sentence about what happened; never a secret. */
  onLog?(line: string): void;
}

export interface Control {
  /** 'http://127.0.0.1:15010' */
  readonly url: string;
  /** Where other machines reach it, 'https://10.0.0.5:15010', or null. */
  readonly machinesUrl: string | null;
  readonly token: string;
  /** Why the configuration log cannot be read, as a clause; '' = it can. */
  readonly damage: string;
  /** How the log stands to what a proxy kept. Throws BusUnavailableError. */
  compare(at: Position): Promise<Kinship>;
  /** Answers what is under way, then leaves the bus. */
  close(): Promise<void>;
}

const NO_ROLES: Roles = { users: new Map(), groups: new Map() };
const DAMAGED = 'the configuration log of NATS is damaged';
/** Of any step of the end. */
const STEP_MS = 4_000;
const BODY_BYTES = 16 * 1024 * 1024;

/** Throws an Error in one sentence when NATS cannot be reached or the port is in use. */
export async function startControl(options: ControlOptions): Promise<Control> {
  const { host = '127.0.0.1', port = 0, onLog } = options;
  const token = options.token ?? (await ensureToken(join(options.stateDir, 'token')));
  const bus = await openBus({
    name: 'control',
    ...options.nats,
    role: 'control',
    signal: options.signal,
    onConnection: (state, detail) => onLog?.(`bus ${state}: ${detail}`),
  });
  const rollouts = new Rollouts();
  let store: Store | null = null;
  let cleaning: Subscription | null = null;
  let discovery: Discovery | null = null;
  let checker: Checker | null = null;
  let app: App | null = null;
  let machines: MachineListener | null = null;
  const step = (what: string, end: () => unknown) => ({ what, ms: STEP_MS, end });
  const close = (): Promise<void> =>
    endInOrder(
      [
        // Long polls end first, or the server would wait for them.
        step('ending long polls', () => rollouts.close()),
        step('closing the API to other machines', () => machines?.close()),
        step('closing the API', () => app?.close()),
        step('ending the checks', () => checker?.close()),
        step('ending the sweeps', () => cleaning?.close()),
        step('handing on the endpoints', () => discovery?.close()),
        // What is asked of it ends with it, and so whoever follows it.
        step('leaving the bus', () => bus.close()),
        step('ending the store', () => store?.close()),
      ],
      (sentence) => onLog?.(sentence),
    );
  // What waits for a log that does not answer ends with the bus.
  const abort = () => void bus.close();
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    const { certificates } = bus;
    const authorityFiles = { ...options.authority, dir: join(options.stateDir, 'authority') };
    const authority = await startAuthority({ ...authorityFiles, bus: certificates, onLog });
    const rotation = new Rotation({
      ...{ authority, files: authorityFiles, bus: certificates, questions: bus.questions },
      leases: () => rollouts.leases,
    });
    discovery = await Discovery.start({ bus, machines: isOverMachines(options.nats), onLog });
    const leases = new AllowedLeases({ leases: bus.leases, users: bus.users, onLog: (line) => onLog?.(line) });
    await rollouts.follow({ statuses: bus.statuses, leases }, (living) => discovery?.lived(living));
    const opened = await Store.open(bus, {
      arrived(revision, commit) {
        rollouts.arrived(revision);
        if (commit === null) checker?.replaced();
        else checker?.committed(commit);
      },
      damaged: (why) => onLog?.(why === null ? 'the configuration log can be read again' : `${DAMAGED}: ${why}`),
    });
    store = opened;
    const { checkMs: deadlineMs } = options;
    checker = new Checker({ state: () => opened.state, leases: () => rollouts.leases, deadlineMs, onLog });
    const modules = new Modules({ bus, store, checker, onLog: (line) => onLog?.(line) });
    cleaning = modules.keepClean();
    const access = await AccessTokens.open({ records: bus.access });
    app = await buildApi({
      ...options,
      ...{ token, access, bus, store, checker, rollouts, modules, rotation },
      revokeCertificates: revoking({ authority, bus: certificates }),
      machinesUrl: () => machines?.url ?? null,
    });
    const url = await listen(app, host, port);
    if (options.machines !== undefined) {
      machines = await listenForMachines(app, {
        ...{ tls: options.machines, port: Number(new URL(url).port), clients: options.clients },
        onLog: (line) => onLog?.(line),
      });
    }
    onLog?.(`control plane on ${url}, revision ${store.state.revision}`);
    checker.start();
    const { damage } = store;
    return { url, machinesUrl: machines?.url ?? null, token, damage, compare: (at) => bus.config.compare(at), close };
  } catch (error) {
    await close();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
}

interface ApiParts extends ControlOptions {
  readonly token: string;
  readonly access: AccessTokens;
  readonly bus: Bus;
  readonly store: Store;
  readonly checker: Checker;
  readonly rollouts: Rollouts;
  readonly modules: Modules;
  readonly rotation: Rotation;
  revokeCertificates(node: string): Promise<void>;
  machinesUrl(): string | null;
}

async function buildApi(parts: ApiParts): Promise<App> {
  const { bus, store, checker, rollouts, modules, version, onLog } = parts;
  const app: App = fastify({
    bodyLimit: BODY_BYTES,
    schemaController: { compilersFactory: whenAsked },
    requestTimeout: 60_000,
    forceCloseConnections: true,
    ajv: { customOptions: { removeAdditional: false, allErrors: false } },
    schemaErrorFormatter: ([first], place) => {
      const where = `${place}${first.instancePath}`;
      const field = first.params.additionalProperty;
      return new Error(
        field === undefined ? `${where} ${first.message}` : `${where} has no field ${JSON.stringify(field)}`,
      );
    },
    frameworkErrors: (error, _, reply: FastifyReply) => {
      reply.code(error.statusCode ?? 400).send({ error: oneLine(error.message) });
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  // Browsers send text/plain across origins without asking first.
  app.removeContentTypeParser('text/plain');
  const { hosts = [], host, machines } = parts;
  const names = [host, machines?.address].filter((name) => name !== undefined).map(withBrackets);
  const limits = new Limits(parts.limits);
  const access = new Access({
    fileToken: parts.token,
    tokens: parts.access,
    oidc: await issuerOf(parts),
    roles: parts.roles ?? NO_ROLES,
    limits,
  });
  const refusals = new Refusals({ onLog: (line) => onLog?.(line) });
  secure(app as never, { access, refusals, limits, hosts: [...hosts, ...names] });
  const natsTrouble = async () =>
    store.damage === '' ? ((await parts.natsTrouble?.()) ?? '') : `${DAMAGED}: ${store.damage} (see \`mesh restore\`)`;
  app.setErrorHandler(async (error, request, reply) => {
    const known = asApiError(error);
    if (known !== null) {
      const { problems } = known;
      let { message } = known;
      if (known instanceof TooManyError) reply.header('Retry-After', String(known.retryAfterS));
      if (known.status === 503) {
        reply.header('Retry-After', '1');
        const trouble = await natsTrouble();
        if (!message.includes(trouble)) message += `: ${trouble}`;
      }
      // Of who has a token: others may say what they want.
      if (known.status === 403 && request.caller !== null) refusals.tell(request.ip, oneLine(message));
      const body = { error: oneLine(message), ...(problems.length > 0 && { problems }) };
      return reply.code(known.status).send(body);
    }
    const { statusCode = 500, message, stack } = error as Error & { statusCode?: number };
    if (statusCode < 500) return reply.code(statusCode).send({ error: oneLine(message) });
    onLog?.(`${request.method} ${request.url.split('?', 1)[0]} failed: ${stack}`);
    return reply.code(500).send({ error: 'the control plane failed on this request; its log says why' });
  });
  app.setNotFoundHandler((request) => {
    throw new ApiError(404, `there is no ${request.method} ${request.url.split('?', 1)[0].slice(0, 200)}; see /docs`);
  });

  const wasmPlugins = new WasmPlugins({
    modules,
    allowPrivate: parts.allowPrivateFetch ?? false,
    secretsDir: join(parts.stateDir, 'pull-secrets'),
  });
  const writer = new Writer({
    bus,
    store,
    checker,
    natsTrouble,
    resolveModules: (...args) => wasmPlugins.resolve(...args),
    absentModules: (resources) => modules.absent(resources),
    onPublish: () => {
      const stands = rollouts.publish();
      return ({ revision, message, upserts, removals }) => {
        stands(revision);
        onLog?.(`revision ${revision}: ${upserts.length} changed, ${removals.length} deleted (${oneLine(message)})`);
      };
    },
  });
  await app.register(swagger, openApi(version));
  await app.register(swaggerUi, DOCS_PAGE);
  await app.register(async (scope) => {
    const api = scope.withTypeProvider<TypeBoxTypeProvider>();
    changeRoutes(api, writer);
    const secrets = new Secrets({
      kept: bus.secrets,
      questions: bus.questions,
      resources: () => resourcesOf(store.state),
      leases: () => rollouts.leases,
    });
    backupRoutes(api, { bus, store, writer, secrets, onLog: (line) => onLog?.(line) });
    resourceRoutes(api, store, checker);
    revisionRoutes(api, { bus, store, rollouts });
    const tokens = new Tokens(bus.tokens);
    proxyRoutes(api, {
      store,
      rollouts,
      users: bus.users,
      revokeCertificates: parts.revokeCertificates,
      tokens,
      questions: bus.questions,
      onLog: (line) => onLog?.(line),
    });
    const { servers, ca, verifyKey } = parts.nats;
    const roots = machines?.roots ?? '';
    joiningRoutes(api, { tokens, url: parts.machinesUrl, roots, bus: { servers, ca, verifyKey } });
    accessRoutes(api, parts.access, (line) => onLog?.(line));
    authorityRoutes(api, parts.rotation, (line) => onLog?.(line));
    secretRoutes(api, secrets, (line) => onLog?.(line));
    metaRoutes(api, { bus, store, version, natsTrouble });
  });
  // By itself, for only here a body may be raw bytes.
  await app.register(async (scope) => moduleRoutes(scope.withTypeProvider<TypeBoxTypeProvider>(), modules));
  return app;
}

/** What reads its tokens is loaded where one is named. */
async function issuerOf({ oidc, roles = NO_ROLES, onLog }: ControlOptions): Promise<Oidc | null> {
  if (oidc === undefined) return null;
  const { Oidc } = await import('./access/oidc.ts');
  const issuer = new Oidc(oidc, roles, { onLog: (line) => onLog?.(line) });
  issuer.start();
  return issuer;
}

/** NATS is reached by TLS, and not on loopback. */
function isOverMachines({ servers, ca }: ControlOptions['nats']): boolean {
  return ca !== undefined && servers.some((server) => !/^(?:127\.|\[::1\]$|localhost$)/.test(new URL(server).hostname));
}

/** As a Host header has it. */
function withBrackets(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

async function listen(app: App, host: string, port: number): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE')
      throw new Error(`port ${port} on ${host} is in use: the control plane cannot listen there`);
    throw new Error(`the control plane cannot listen on ${hostPort(host, port)}: ${message}`);
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').slice(0, 2_000);
}
