// Values of options and arguments: durations, numbers, labels. What does not parse is wrong usage, told with the option's name.

import { isIP } from 'node:net';
import { InvalidArgumentError, Option } from 'commander';
import { durationFault, parseDuration } from '../core/config/duration.ts';
import { withoutBrackets } from '../core/host-port.ts';

const DAY_MS = 86_400_000;

/** '10s', '500ms' or '1m30s', as ms, whole. */
function duration(text: string, leastMs: number, mostMs: number): number {
  const fault = durationFault(text, leastMs, mostMs);
  if (fault !== null) throw new InvalidArgumentError(`it ${fault}.`);
  return Math.ceil(parseDuration(text));
}

export function port(text: string): number {
  const number = text === '' ? Number.NaN : Number(text);
  if (!Number.isInteger(number) || number < 0 || number > 65_535) {
    throw new InvalidArgumentError('a port is a number from 0 to 65535.');
  }
  return number;
}

export function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('a number from 1 on is needed.');
  return number;
}

/** '0' is one, too. */
export function revision(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new InvalidArgumentError('a revision is a number.');
  return number;
}

/** Repeatable: 'app=reviews'. */
export function label(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  const name = text.slice(0, at);
  if (at < 1 || !/^([a-z0-9.-]+\/)?[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?$/.test(name)) {
    throw new InvalidArgumentError('a label is NAME=VALUE.');
  }
  return { ...before, [name]: text.slice(at + 1) };
}

/** Repeatable: '8080=18080', the Gateway's port and the one to bind for it. */
export function portMapping(text: string, before: Readonly<Record<number, number>> = {}): Record<number, number> {
  const [from, to, ...rest] = text.split('=');
  if (to === undefined || rest.length > 0) throw new InvalidArgumentError('a mapping is GATEWAYPORT=PORT.');
  return { ...before, [port(from)]: port(to) };
}

/** An address and port that lead to a service's port. */
export interface Upstream {
  /** 'orders-db:5432' */
  readonly upstream: string;
  readonly address: string;
  readonly port: number;
}

const MOST_UPSTREAMS = 64;

/** Repeatable: 'orders-db:5432=5432', or with an address of this machine: 'orders-db:5432=127.0.0.2:5432'. */
export function upstream(text: string, before: readonly Upstream[] = []): Upstream[] {
  const [service = '', at, ...rest] = text.split('=');
  const colon = service.lastIndexOf(':');
  const host = service.slice(0, Math.max(0, colon));
  const number = Number(service.slice(colon + 1));
  if (at === undefined || rest.length > 0 || !/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(host)) {
    throw new InvalidArgumentError('an upstream is SERVICE:PORT=PORT, such as orders-db:5432=5432.');
  }
  if (!Number.isInteger(number) || number < 1 || number > 65_535) {
    throw new InvalidArgumentError("a service's port is a number from 1 to 65535.");
  }
  if (before.length === MOST_UPSTREAMS) throw new InvalidArgumentError(`there are at most ${MOST_UPSTREAMS}.`);
  const one = { upstream: `${host}:${number}`, ...address(at) };
  if (before.some(({ upstream: other }) => other === one.upstream)) {
    throw new InvalidArgumentError(`${one.upstream} is given twice.`);
  }
  return [...before, one];
}

/** Repeatable: any text. */
export function each(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** A DNS label, as names of services, accounts and namespaces are. */
export function name(text: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError('lower-case letters, digits and dashes, at most 63, are needed.');
  }
  return text;
}

/** '127.0.0.1:15000', '[::1]:15000', ':15000' or '15000' (on 127.0.0.1). */
export function address(text: string): { address: string; port: number } {
  const at = text.lastIndexOf(':');
  const host = at < 0 ? '' : withoutBrackets(text.slice(0, at));
  if (host !== '' && isIP(host) === 0) throw new InvalidArgumentError('an IP address and a port are needed.');
  return { address: host || '127.0.0.1', port: port(text.slice(at + 1)) };
}

/** '30d', '12h' or '90m', as seconds. */
export function lifetime(text: string): number {
  const [, number, unit] = /^(\d{1,7})([mhd])$/.exec(text) ?? [];
  const seconds = Number(number) * { m: 60, h: 3_600, d: DAY_MS / 1_000 }[unit as 'm' | 'h' | 'd'];
  if (!(seconds >= 60 && seconds <= (3_650 * DAY_MS) / 1_000)) {
    throw new InvalidArgumentError('it is a whole number of m, h or d, from 1m to 3650d, such as 30d.');
  }
  return seconds;
}

/** Repeatable: a DNS label. */
export function eachName(text: string, before: readonly string[] = []): string[] {
  return [...before, name(text)];
}

/** An option whose value is ms, of a day at most. */
export function durationOption(flag: string, description: string, preset: string, leastMs = 0): Option {
  const parse = (text: string): number => duration(text, leastMs, DAY_MS);
  return new Option(`${flag} <duration>`, description).argParser(parse).default(parse(preset), preset);
}

/** `--metrics-expiry`, in ms: not so short that what is scraped once a minute is missed, not so long that nothing is ever freed. */
export function seriesExpiryOption(): Option {
  const description = 'metrics no longer show what counted nothing for so long, from 1m to 24h';
  return durationOption('--metrics-expiry', description, '1h', 60_000);
}

/** `--timeout` beside `--wait`, in ms. */
export function timeoutOption(): Option {
  return durationOption('--timeout', 'how long --wait waits', '10s');
}

/** `--dry-run`: true asks the control plane, 'client' nobody. As kubectl's, without a value it is the former. */
export function dryRunOption(offline: boolean): Option {
  const parse = (text: string): boolean | 'client' => {
    if (text === 'client' && offline) return text;
    if (text === 'server' || text === 'none') return text === 'server';
    throw new InvalidArgumentError(`it is server${offline ? ', client' : ''} or none.`);
  };
  const client = offline ? '; client: without asking a control plane' : '';
  return new Option('--dry-run [where]', `check and tell, change nothing${client}`).argParser(parse).preset('server');
}
