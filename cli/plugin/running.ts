// Who runs a plugin, and how it does: asked of each proxy, wherever it is.
import type { ProxyFilterDump } from '../../core/admin/dumps.ts';
import { adminOver } from '../admin.ts';
import type { Api } from '../api.ts';
import { CliError } from '../exit.ts';
import { readDump } from '../proxy-dump.ts';

/** What all proxies together have of one plugin. */
export interface Running {
  /** Names of the proxies whose chains have it. */
  readonly proxies: readonly string[];
  /** Of those, where it is stopped or given up for now. */
  readonly failing: readonly string[];
  readonly restarts: number;
  /** Bytes, of all instances. */
  readonly memory: number;
  /** Microseconds per callback: the highest median of any proxy; null: none was timed yet. */
  readonly p50Micros: number | null;
  /** Digests that run, without 'sha256:'. More than one: a change is on its way. */
  readonly digests: readonly string[];
}

export interface Survey {
  /** By the resource's namespace/name. */
  readonly plugins: ReadonlyMap<string, Running>;
  readonly proxies: number;
  /** Proxies that did not answer, and why. */
  readonly silent: readonly string[];
}

/** As many at a time. */
const ABREAST = 16;

/** Never rejects for a proxy that does not answer. */
export async function surveyProxies(api: Api): Promise<Survey> {
  const proxies = await api.proxies();
  const plugins = new Map<string, { -readonly [K in keyof Running]: Running[K] }>();
  const silent: string[] = [];
  const waiting = proxies.map(({ id }) => adminOver(api, id));
  const ask = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { name } = next;
      try {
        const rows = (await readDump(next, 'filters')) as readonly ProxyFilterDump[];
        for (const row of rows) add(plugins, name, row);
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        silent.push(`${name}: ${error.message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, ask));
  return { plugins, proxies: proxies.length, silent };
}

function add(
  plugins: Map<string, { -readonly [K in keyof Running]: Running[K] }>,
  proxy: string,
  { name, digest, running, broken, missing, restarts, memoryBytes, medianMicros }: ProxyFilterDump,
): void {
  const known = plugins.get(name) ?? { proxies: [], failing: [], restarts: 0, memory: 0, p50Micros: null, digests: [] };
  plugins.set(name, {
    proxies: [...new Set([...known.proxies, proxy])].sort(),
    failing: running && !broken && !missing ? known.failing : [...new Set([...known.failing, proxy])].sort(),
    restarts: known.restarts + restarts,
    memory: known.memory + memoryBytes,
    p50Micros: medianMicros === null ? known.p50Micros : Math.max(medianMicros, known.p50Micros ?? 0),
    digests: [...new Set([...known.digests, digest.replace(/^sha256:/, '')])],
  });
}
