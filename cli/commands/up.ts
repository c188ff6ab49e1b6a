// `mesh up`: NATS and the control plane of one machine, in the foreground. Data and users stay in $MESH_HOME.
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Control } from '../../control/main.ts';
import { type AccessChoice, accessOptions, chosenAccess } from '../access-options.ts';
import { type AuthorityChoice, authorityOptions, chosenAuthority } from '../authority-options.ts';
import { makeHome, meshHome, writeContext } from '../context.ts';
import { CliError } from '../exit.ts';
import { listenOption, servesAt } from '../listen.ts';
import { note, paint, print, printJson } from '../output.ts';
import { port } from '../parse.ts';
import { announce, untilStopped } from '../until-stopped.ts';
import { weftVersion } from '../version.ts';

interface Options extends AuthorityChoice, AccessChoice {
  readonly port?: number;
  readonly natsPort: number;
  readonly listen?: string;
  readonly verbose?: boolean;
  readonly allowPrivateFetch?: boolean;
  readonly json?: boolean;
}

const USUAL_PORT = 15010;
/** What takes longer is named. */
const LATE_MS = 1_500;

export function upCommand(program: Command): void {
  accessOptions(authorityOptions(program.command('up')))
    .description('Start NATS and the control plane here, and make them the mesh of this $MESH_HOME')
    .option('-p, --port <port>', `of the API (default: ${USUAL_PORT}, or a free one when it is taken)`, port)
    .option('--nats-port <port>', 'of NATS (default: the one of the last time, or a free one)', port, 0)
    .addOption(listenOption('serve the API and NATS'))
    .option('--allow-private-fetch', 'modules may be fetched from private networks and this machine')
    .option('-v, --verbose', 'print what NATS logs, too')
    .option('--json', 'print the addresses as JSON once everything is ready')
    .addHelpText(
      'after',
      `
Runs until Ctrl-C. The configuration is kept and served again by the next \`mesh up\`.

Examples:
  $ mesh up
  $ mesh up --listen 10.0.0.5
  $ MESH_HOME=/tmp/other mesh up --port 0`,
    )
    .action(async (options: Options) => {
      const stopped = untilStopped();
      const stop = new AbortController();
      void stopped.then((why) => stop.abort(new Error(`stopped by ${why} before everything was ready`)));
      const authority = await chosenAuthority(options);
      const access = await chosenAccess(options);
      const home = await makeHome();
      const tls = await servesAt(options.listen, home, authority);
      const [{ superviseNatsServer }, { startControl }] = await Promise.all([
        import('../../bus/server/supervise.ts'),
        import('../../control/main.ts'),
      ]);
      const natsLate = sayIfLate('waiting for nats-server to answer');
      const nats = await superviseNatsServer({
        stateDir: join(home, 'nats'),
        port: options.natsPort,
        tls,
        signal: stop.signal,
        onProgress: note,
        onTrouble: note,
        onLog: (line) => options.verbose === true && note(paint('dim', line, process.stderr)),
      }).finally(natsLate);
      const { verifyKey } = nats.credentials.proxy;
      // What follows is told in the lines below, unless it does not come.
      let started = false;
      const logLate = sayIfLate('NATS runs: waiting for its configuration log', () => {
        started = true;
      });
      try {
        const start = (apiPort: number) =>
          startControl({
            nats: { servers: [nats.url], ca: nats.ca, verifyKey, ...nats.credentials.control, keepOut: nats.keepOut },
            port: apiPort,
            machines: tls,
            stateDir: home,
            authority,
            ...access,
            allowPrivateFetch: options.allowPrivateFetch,
            version: weftVersion(),
            signal: stop.signal,
            natsTrouble: () => nats.trouble(),
            onLog: (line) => started && note(line),
          });
        // Other machines are told the port.
        const usual = options.port === undefined && tls === undefined;
        const control = await (usual ? onUsualPort(start) : start(options.port ?? USUAL_PORT));
        try {
          const context = {
            api: control.url,
            token: control.token,
            bus: { servers: [nats.url], ca: nats.ca, verifyKey },
          };
          const file = await writeContext(context);
          logLate();
          started = true;
          const { machinesUrl } = control;
          announce({ api: control.url, machines: machinesUrl, token: control.token, nats: nats.url });
          if (options.json === true) printJson({ api: control.url, machines: machinesUrl, nats: nats.url, home });
          else {
            print(`control plane  ${control.url}  (API documentation at ${control.url}/docs)`);
            if (machinesUrl !== null) print(`to others      ${machinesUrl}  (by TLS, and so is NATS)`);
            print(`NATS           ${nats.url}  (nats-server ${nats.version})`);
            print(`context        ${file}`);
            const next = 'in another shell, `mesh run --service NAME --port PORT -- COMMAND`';
            const others = machinesUrl === null ? '' : ', and for each other machine `mesh token create`';
            print(`next: ${next}${others}; Ctrl-C here stops the mesh`);
          }
          await tellOfOtherStates(home, control);
          const failed = nats.failed.then((why) => new CliError(`NATS cannot be started again: ${why}`));
          const end = await Promise.race([stopped, failed]);
          if (end instanceof CliError) throw end;
        } finally {
          await control.close();
        }
      } finally {
        logLate();
        await nats.stop();
      }
    });
}

/** Says what is waited for when that takes long. Returns what ends the wait. */
function sayIfLate(what: string, late: () => void = () => undefined): () => void {
  const timer = setTimeout(() => {
    late();
    note(what);
  }, LATE_MS);
  return () => clearTimeout(timer);
}

/** A log that lost what proxies of this machine ran is told of here, where it can be mended. */
async function tellOfOtherStates(home: string, { damage, compare }: Control): Promise<void> {
  const how = '`mesh restore` tells what it can be restored from';
  if (damage !== '') {
    note(`the configuration log of NATS is damaged: ${damage}; ${how}`);
    return;
  }
  const { keptStates } = await import('../kept-states.ts');
  for (const { at, folder } of await keptStates(home)) {
    const kinship = await compare(at);
    if (kinship === 'same' || kinship === 'restored') continue;
    note(
      `NATS no longer has revision ${at.revision}, which ${folder} keeps: proxies that ran it hold this log back; ${how}`,
    );
    return;
  }
}

async function onUsualPort<T>(start: (port: number) => Promise<T>): Promise<T> {
  try {
    return await start(USUAL_PORT);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes('in use')) throw error;
    note(`port ${USUAL_PORT} is in use (home: ${meshHome()}): the API takes a free one`);
    return start(0);
  }
}
