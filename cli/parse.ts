// Values of options and arguments: durations, numbers, labels. What does not parse is wrong usage, told with the option's name.
import { isIP } from 'node:net';
import { InvalidArgumentError, Option } from 'commander';

/** '10s', '500ms', '1m30s' or plain seconds, as ms. */
export function duration(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  let total = 0;
  const rest = text.replace(/(\d+(?:\.\d+)?)(ms|s|m|h)/g, (_, amount: string, unit: string) => {
    total += Number(amount) * units[unit];
    return '';
  });
  if (rest !== '' || text === '') throw new InvalidArgumentError('a duration is needed, such as 10s or 500ms.');
  return total;
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
  const host = at < 0 ? '' : text.slice(0, at).replace(/^\[(.*)\]$/, '$1');
  if (host !== '' && isIP(host) === 0) throw new InvalidArgumentError('an IP address and a port are needed.');
  return { address: host || '127.0.0.1', port: port(text.slice(at + 1)) };
}

/** An option whose value is ms. */
export function durationOption(flag: string, description: string, preset: string): Option {
  return new Option(`${flag} <duration>`, description).argParser(duration).default(duration(preset), preset);
}

/** `--metrics-expiry`, in ms: not so short that what is scraped once a minute is missed, not so long that nothing is ever freed. */
export function seriesExpiryOption(): Option {
  const flag = '--metrics-expiry <duration>';
  return new Option(flag, 'metrics no longer show what counted nothing for so long, from 1m to 24h')
    .argParser((text) => {
      const ms = duration(text);
      if (ms < 60_000 || ms > 86_400_000) throw new InvalidArgumentError('it is at least 1m and at most 24h.');
      return ms;
    })
    .default(3_600_000, '1h');
}

/** `--timeout` beside `--wait`, in ms. */
export function timeoutOption(): Option {
  return durationOption('--timeout', 'how long --wait waits', '10s');
}
