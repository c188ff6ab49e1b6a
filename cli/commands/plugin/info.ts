// `mesh plugin info`: all there is to know of a plugin, installed or not, before anything of it runs.
import type { Command } from 'commander';
import { ROOT_NAMESPACE } from '../../../core/config/attachment.ts';
import type { Capability } from '../../../core/wasm/trial/capabilities.ts';
import type { PluginResource } from '../../../plugins/install/resource.ts';
import type { FoundPlugin } from '../../../plugins/source/package.ts';
import type { Api } from '../../api.ts';
import { print, printJson } from '../../output.ts';
import { NAMESPACE_HELP, type TrustFlags, trustOptions, trustPolicy } from '../../plugin/options.ts';

interface Options extends TrustFlags {
  readonly namespace: string;
  readonly json?: boolean;
}

interface Facts {
  readonly name: string;
  readonly installed: boolean;
  readonly version?: string;
  readonly description?: string;
  readonly source?: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly abi: string | null;
  readonly type: string | null;
  readonly refusal: string | null;
  readonly capabilities: readonly Capability[];
  readonly enabled?: boolean;
  readonly config?: unknown;
  readonly schema?: unknown;
  readonly signature?: string;
  readonly provenance?: string;
  readonly [fact: string]: unknown;
}

export function addInfoCommand(group: Command): void {
  const command = group
    .command('info')
    .description('Print what a plugin is and will be able to do: an installed one, or one that could be installed')
    .argument('<name>', 'of an installed plugin, or anything that install takes')
    .option('-n, --namespace <name>', NAMESPACE_HELP, ROOT_NAMESPACE)
    .option('--json', 'print JSON');
  trustOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n  $ mesh plugin info jwt\n  $ mesh plugin info @acme/waf@^2\n  $ mesh plugin info ./my-plugin',
    )
    .action(async (name: string, options: Options) => {
      const { Api } = await import('../../api.ts');
      let facts: Facts | null = null;
      if (/^[a-z0-9-]+$/.test(name)) {
        const api = await Api.open();
        const { items } = await api.resources({ kind: 'Plugin', namespace: options.namespace, name });
        if (items.length > 0) facts = await ofInstalled(api, items[0] as PluginResource);
      }
      facts ??= await ofSpec(name, options);
      if (options.json === true) printJson(facts);
      else await inWords(facts);
    });
}

async function ofInstalled(api: Api, plugin: PluginResource): Promise<Facts> {
  const [{ describePlugin }, { label, schemaOf }, { surveyProxies }] = await Promise.all([
    import('../../../core/wasm/trial/check.ts'),
    import('../../../plugins/install/resource.ts'),
    import('../../plugin/running.ts'),
  ]);
  const { version, source, digest, enabled, config, selector, phase, priority, upstreams } = plugin.spec;
  const [bytes, survey] = await Promise.all([api.module(digest), surveyProxies(api)]);
  const { abi, kind, refusal, capabilities } = describePlugin(bytes ?? new Uint8Array(0));
  return {
    ...{ name: label(plugin), installed: true, version, source, digest, size: bytes?.length ?? 0, abi, type: kind },
    ...{ refusal: bytes === null ? 'its module is not in the mesh any more' : refusal, capabilities },
    ...{ enabled: enabled !== false, selector, phase, priority, upstreams, config, schema: schemaOf(plugin) },
    running: survey.plugins.get(label(plugin)),
  };
}

async function ofSpec(spec: string, options: Options): Promise<Facts> {
  const [{ findPlugin }, { describePlugin }, { digestOf }, { inSteps, tell }] = await Promise.all([
    import('../../../plugins/source/find.ts'),
    import('../../../core/wasm/trial/check.ts'),
    import('../../../bus/digest.ts'),
    import('../../plugin/progress.ts'),
  ]);
  const find = { policy: await trustPolicy(options), folder: process.cwd(), tell };
  const { plugin, origin }: FoundPlugin = await inSteps(() => findPlugin(spec, find), 'nothing is known of it');
  const { abi, kind, refusal, capabilities } = describePlugin(plugin.module);
  const { manifest, facts } = plugin;
  return {
    ...{ name: plugin.name, installed: false, version: plugin.version, description: plugin.description },
    ...{ source: origin.source, digest: digestOf(plugin.module), size: plugin.module.length, abi },
    ...{ type: manifest.type ?? kind, refusal, capabilities, phase: manifest.phase, upstreams: manifest.upstreams },
    ...{ config: manifest.defaultConfig, schema: plugin.schema, ...facts },
    ...{ integrity: origin.integrity, signature: origin.signature, provenance: origin.provenance },
  };
}

async function inWords(facts: Facts): Promise<void> {
  const { stringify } = await import('yaml');
  const { capabilities, config, schema, running, name, ...others } = facts;
  print(name);
  for (const [fact, value] of Object.entries(others)) {
    if (value === undefined || value === null) continue;
    print(`  ${fact.padEnd(12)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  }
  print(capabilities.length === 0 ? '  can do nothing' : '  can');
  for (const { does, name: capability } of capabilities) print(`    - ${does} (${capability})`);
  for (const [title, value] of Object.entries({ config, schema, running })) {
    if (value === undefined) continue;
    print(`  ${title}`);
    print(stringify(value, { lineWidth: 0 }).trimEnd().replace(/^/gm, '    '));
  }
}
