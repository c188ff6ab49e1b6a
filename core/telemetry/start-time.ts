// %START_TIME% of the access log: ISO 8601 with milliseconds, or a strftime format in UTC. A second's text is made once.

/** Milliseconds since the epoch to text. */
export type TimeFormat = (ms: number) => string;

export class BadTimeFormat extends Error {}

/** `format` undefined: '2026-01-31T09:05:07.042Z'. Throws BadTimeFormat. */
export function timeFormat(format?: string): TimeFormat {
  if (format === undefined) return isoFormat();
  const parts = parse(format);
  return (ms) => {
    const date = new Date(ms);
    let text = '';
    for (const part of parts) text += typeof part === 'string' ? part : part(date);
    return text;
  };
}

function isoFormat(): TimeFormat {
  let second = -1;
  let prefix = '';
  return (ms) => {
    const now = Math.floor(ms / 1000);
    if (now !== second) {
      second = now;
      prefix = new Date(now * 1000).toISOString().slice(0, 20);
    }
    const rest = Math.floor(ms) - now * 1000;
    return `${prefix}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`;
  };
}

type Part = string | ((date: Date) => string);

function parse(format: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const match of format.matchAll(/%([1-9]?)([a-zA-Z%])/g)) {
    parts.push(format.slice(at, match.index));
    at = match.index + match[0].length;
    const [, digits, letter] = match;
    // %f, %3f, %6f: fractions of the second; %3s: seconds with milliseconds, as Envoy writes them.
    if (letter === 'f') parts.push((date) => fraction(date, digits === '' ? 9 : Number(digits)));
    else if (letter === 's' && digits !== '') {
      parts.push((date) => `${Math.floor(date.getTime() / 1000)}${fraction(date, Number(digits))}`);
    } else if (digits === '' && SPECIFIERS[letter] !== undefined) parts.push(SPECIFIERS[letter]);
    else throw new BadTimeFormat(`unknown time specifier ${match[0]}`);
  }
  parts.push(format.slice(at));
  return parts.filter((part) => part !== '');
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

const SPECIFIERS: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => String(date.getUTCFullYear()),
  y: (date) => two(date.getUTCFullYear() % 100),
  m: (date) => two(date.getUTCMonth() + 1),
  d: (date) => two(date.getUTCDate()),
  e: (date) => String(date.getUTCDate()).padStart(2, ' '),
  H: (date) => two(date.getUTCHours()),
  I: (date) => two(date.getUTCHours() % 12 || 12),
  M: (date) => two(date.getUTCMinutes()),
  S: (date) => two(date.getUTCSeconds()),
  p: (date) => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
  a: (date) => DAYS[date.getUTCDay()].slice(0, 3),
  A: (date) => DAYS[date.getUTCDay()],
  b: (date) => MONTHS[date.getUTCMonth()].slice(0, 3),
  B: (date) => MONTHS[date.getUTCMonth()],
  j: (date) => String(dayOfYear(date)).padStart(3, '0'),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  F: (date) => date.toISOString().slice(0, 10),
  T: (date) => date.toISOString().slice(11, 19),
  D: (date) => `${two(date.getUTCMonth() + 1)}/${two(date.getUTCDate())}/${two(date.getUTCFullYear() % 100)}`,
  R: (date) => date.toISOString().slice(11, 16),
  z: () => '+0000',
  Z: () => 'UTC',
  '%': () => '%',
};

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

function fraction(date: Date, digits: number): string {
  return String(date.getUTCMilliseconds()).padStart(3, '0').padEnd(9, '0').slice(0, digits);
}

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
}
