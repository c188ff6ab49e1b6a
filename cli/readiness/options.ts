// The options of `mesh run` that say how its application's readiness is asked for: one way to ask, and what the answers weigh. Names,
// units and defaults are those of a WorkloadGroup's `probe`.

import { isIP } from 'node:net';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { hostPort, withoutBrackets } from '../../core/host-port.ts';
import type { Node } from '../../core/workload.ts';
import { CliError, EXIT } from '../exit.ts';
import { count, durationOption, port } from '../parse.ts';
import type { Probe, Thresholds } from './watch.ts';

export interface ProbeOptions {
  readonly probeHttp?: PageAt;
  readonly probeTcp?: SocketAt;
  readonly probeGrpc?: ServiceAt;
  readonly probeExec?: string;
  readonly probeDelay: number;
  readonly probePeriod: number;
  readonly probeTimeout: number;
  readonly probeFailures: number;
  readonly probeSuccesses: number;
}

/** A whole URL, or a path at a port of the application's address; no port: its own. */
type PageAt = URL | { readonly port: number | null; readonly path: string };
interface SocketAt {
  readonly host: string | null;
  readonly port: number;
}
interface ServiceAt {
  readonly port: number | null;
  readonly service: string;
}

/** Spread over the checks of many that start together nothing is gained by less. */
const LEAST_PERIOD_MS = 100;
const LEAST_TIMEOUT_MS = 10;

export function probeOptions(command: Command): Command {
  const ways = [
    new Option('--probe-http <[port]/path>', 'ready when this page answers 200 to 399; or a URL').argParser(page),
    new Option('--probe-tcp <[address:]port>', 'ready when this port takes connections').argParser(socket),
    new Option(
      '--probe-grpc <[port]/[service]>',
      'ready when grpc.health.v1.Health says SERVING; / asks about the server as a whole',
    ).argParser(healthService),
    new Option('--probe-exec <command>', 'ready when this command for a shell exits with 0'),
  ];
  const names = ['probeHttp', 'probeTcp', 'probeGrpc', 'probeExec'];
  for (const [i, way] of ways.entries()) {
    command.addOption(way.conflicts(names.filter((_, other) => other !== i)));
  }
  return command
    .addOption(durationOption('--probe-delay', 'before the first probe', '0s'))
    .addOption(durationOption('--probe-period', 'from one probe to the next', '10s', LEAST_PERIOD_MS))
    .addOption(durationOption('--probe-timeout', 'how long a probe may take', '1s', LEAST_TIMEOUT_MS))
    .addOption(
      new Option('--probe-failures <number>', 'in a row, after which nobody calls the application')
        .argParser(count)
        .default(3),
    )
    .addOption(
      new Option('--probe-successes <number>', 'in a row, after which it is called').argParser(count).default(1),
    );
}

/** Null: it is not asked. Throws CliError for an application that nobody could call. */
export async function probeOf(options: ProbeOptions, app: Node['app'], env: NodeJS.ProcessEnv): Promise<Probe | null> {
  const { probeHttp, probeTcp, probeGrpc, probeExec } = options;
  if ((probeHttp ?? probeTcp ?? probeGrpc ?? probeExec) === undefined) return null;
  if (app === null) {
    throw new CliError('a probe is of an application that others call: give its --port', EXIT.usage);
  }
  if (probeHttp !== undefined) {
    const { httpGet } = await import('./http-get.ts');
    if (probeHttp instanceof URL) return httpGet(probeHttp);
    return httpGet(new URL(`http://${hostPort(app.address, probeHttp.port ?? app.port)}${probeHttp.path}`));
  }
  if (probeTcp !== undefined) {
    const { tcpSocket } = await import('./tcp-socket.ts');
    return tcpSocket(probeTcp.host ?? app.address, probeTcp.port);
  }
  if (probeGrpc !== undefined) {
    const { grpcHealth } = await import('./grpc-health.ts');
    return grpcHealth(app.address, probeGrpc.port ?? app.port, probeGrpc.service);
  }
  const { exec } = await import('./exec.ts');
  return exec(probeExec!, env);
}

export function thresholdsOf(options: ProbeOptions): Thresholds {
  return {
    delayMs: options.probeDelay,
    periodMs: options.probePeriod,
    timeoutMs: options.probeTimeout,
    failures: options.probeFailures,
    successes: options.probeSuccesses,
  };
}

function page(text: string): PageAt {
  if (/^https?:\/\//.test(text)) {
    if (!URL.canParse(text)) throw new InvalidArgumentError('it is no URL.');
    return new URL(text);
  }
  const [, number, path] = /^(\d*)(\/[\x21-\x7e]*)$/.exec(text) ?? [];
  if (path === undefined) throw new InvalidArgumentError('it is a path such as /healthz, 8081/healthz, or a URL.');
  return { port: ownPort(number), path };
}

function socket(text: string): SocketAt {
  const at = text.lastIndexOf(':');
  const host = at < 0 ? null : withoutBrackets(text.slice(0, at));
  if (host !== null && isIP(host) === 0) throw new InvalidArgumentError('it is a port, or an IP address and a port.');
  return { host, port: ownPort(text.slice(at + 1)) ?? port('') };
}

function healthService(text: string): ServiceAt {
  const [, number, service] = /^(\d*)\/([\w.-]{0,255})$/.exec(text) ?? [];
  if (service === undefined) {
    throw new InvalidArgumentError('it is [PORT]/[SERVICE], such as / or 50051/shop.v1.Orders.');
  }
  return { port: ownPort(number), service };
}

/** Null: the application's own. */
function ownPort(text: string): number | null {
  if (text === '') return null;
  const number = port(text);
  if (number === 0) throw new InvalidArgumentError('a port is a number from 1 to 65535.');
  return number;
}
