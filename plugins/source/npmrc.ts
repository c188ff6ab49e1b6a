// npm's configuration as far as fetching goes: registries, credentials, certificates and proxies from the user's and the
// project's .npmrc and the environment, in the names that pacote takes.
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { StepFailed } from '../step.ts';

export interface NpmOptions {
  readonly registry: string;
  /** By pacote's names; credentials and scopes by npm's own ('//host/:_authToken', '@acme:registry'). */
  readonly [option: string]: unknown;
}

export const PUBLIC_REGISTRY = 'https://registry.npmjs.org/';

/** Settings that go by another name, or are no texts. */
const OPTIONS: Readonly<Record<string, (value: string) => Record<string, unknown>>> = {
  registry: (value) => ({ registry: value.endsWith('/') ? value : `${value}/` }),
  cache: (value) => ({ cache: join(resolve(value), '_cacache') }),
  ca: (value) => ({ ca: value.replaceAll('\\n', '\n') }),
  proxy: (value) => ({ proxy: value }),
  'https-proxy': (value) => ({ httpsProxy: value }),
  noproxy: (value) => ({ noProxy: value }),
  'strict-ssl': (value) => ({ strictSSL: value !== 'false' }),
  'fetch-timeout': (value) => ({ timeout: number('fetch-timeout', value) }),
  'fetch-retries': (value) => ({ fetchRetries: number('fetch-retries', value) }),
  'fetch-retry-factor': (value) => ({ fetchRetryFactor: number('fetch-retry-factor', value) }),
  'fetch-retry-mintimeout': (value) => ({ fetchRetryMintimeout: number('fetch-retry-mintimeout', value) }),
  'fetch-retry-maxtimeout': (value) => ({ fetchRetryMaxtimeout: number('fetch-retry-maxtimeout', value) }),
};

/** Somebody waits at a terminal. */
const DEFAULTS = {
  registry: PUBLIC_REGISTRY,
  timeout: 30_000,
  fetchRetries: 2,
  // Without it the client waits for a time that is no number.
  fetchRetryFactor: 2,
  fetchRetryMintimeout: 500,
  fetchRetryMaxtimeout: 4_000,
};

function number(key: string, value: string): number {
  if (/^\d{1,9}$/.test(value.trim())) return Number(value);
  throw new StepFailed('resolve', 'usage', `${key} of .npmrc is no number: ${JSON.stringify(value.slice(0, 40))}`);
}

/** Of a folder, as npm would have it there. Throws StepFailed (resolve, usage). */
export async function readNpmOptions(folder: string, env: NodeJS.ProcessEnv = process.env): Promise<NpmOptions> {
  const userFile = env.NPM_CONFIG_USERCONFIG ?? env.npm_config_userconfig ?? join(homedir(), '.npmrc');
  const settings = new Map<string, string>();
  for (const file of [userFile, join(folder, '.npmrc')]) {
    for (const [key, value] of parse(await read(file), env)) settings.set(key, value);
  }
  for (const [name, value] of Object.entries(env)) {
    const key = /^npm_config_(.+)$/i.exec(name)?.[1];
    if (key === undefined || value === undefined || value === '') continue;
    settings.set(
      key.startsWith('_') || key.startsWith('/') || key.startsWith('@') ? key : key.toLowerCase().replaceAll('_', '-'),
      value,
    );
  }
  const options: Record<string, unknown> = { ...DEFAULTS };
  for (const [key, value] of settings) {
    if (Object.hasOwn(OPTIONS, key)) Object.assign(options, OPTIONS[key](value));
    else if (key.startsWith('//') || /^@[^:]+:registry$/.test(key)) options[key] = value;
  }
  const certificates = settings.get('cafile');
  if (certificates !== undefined) options.ca = await authorities(certificates);
  if (!URL.canParse(String(options.registry))) {
    throw new StepFailed(
      'resolve',
      'usage',
      `npm's configuration names a registry that is no URL: ${options.registry}`,
    );
  }
  return options as unknown as NpmOptions;
}

/** 'name=value' a line; `${NAME}` stands for a variable of the environment. */
function* parse(text: string, env: NodeJS.ProcessEnv): Generator<readonly [string, string]> {
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    const at = trimmed.indexOf('=');
    if (at < 1 || /^[#;[]/.test(trimmed)) continue;
    const value = trimmed
      .slice(at + 1)
      .trim()
      .replace(/^(["'])(.*)\1$/, '$2');
    yield [
      trimmed.slice(0, at).trim(),
      value.replace(/\$\{([^}?]+)\??\}/g, (whole, name: string) => env[name] ?? whole),
    ];
  }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new StepFailed('resolve', 'usage', `${file} cannot be read: ${(error as Error).message}`);
  }
}

async function authorities(file: string): Promise<string[]> {
  const text = await read(file);
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
