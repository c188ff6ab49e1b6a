// `mesh plugin install`: from a plugin's name to its filter on every proxy.
import { type Command, Option } from 'commander';
import type { Wishes } from '../../../plugins/install/resource.ts';
import { note, paint, print, printJson } from '../../output.ts';
import { label, name } from '../../parse.ts';
import {
  type ChangeFlags,
  changeOptions,
  configuration,
  list,
  type TrustFlags,
  trustOptions,
  trustPolicy,
} from '../../plugin/options.ts';

interface Options extends ChangeFlags, TrustFlags {
  readonly name?: string;
  readonly enable?: boolean;
  readonly config?: string;
  readonly phase?: Wishes['phase'];
  readonly type?: Wishes['type'];
  readonly rootId?: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly allow: readonly string[];
  readonly yes?: boolean;
}

export function addInstallCommand(group: Command): void {
  const command = group
    .command('install')
    .description('Fetch a plugin, verify and try it, and store it in the mesh; all of it or nothing')
    .argument(
      '<spec>',
      'NAME, @SCOPE/NAME or npm:NAME with @VERSION or @RANGE, oci://IMAGE, https://...#sha256=..., a folder, a .wasm or .tgz file',
    )
    .option('--name <name>', 'of its Plugin resource (default: after its package)', name)
    .option('--enable', 'put it into the chains of the proxies at once')
    .option('--config <json>', 'its configuration, JSON or YAML; @FILE reads a file')
    .addOption(new Option('--phase <phase>', 'where in the chain').choices(['AUTHN', 'AUTHZ', 'STATS']))
    .addOption(new Option('--type <type>', 'what it is').choices(['http', 'network', 'service']))
    .option('--root-id <id>', 'which plugin of a module that holds several')
    .option('--selector <label=value>', 'only workloads with this label; repeatable', label)
    .option('--allow <names>', 'capabilities that it may have, with commas between them; repeatable', list, []);
  changeOptions(
    trustOptions(command),
    'ask nothing; a plugin that wants more than an ordinary filter still needs --allow',
  )
    .addHelpText(
      'after',
      `
The steps: resolve, fetch, verify, check, allow, trial, store, lock, apply, wait. The one that fails says why, and nothing is
installed. Scripts never run. A refused plugin exits with 3, a source or mesh that does not answer with 5.

A bare name is of the official scope: jwt is @weft-mesh/plugin-jwt and nothing else; whatever is of somebody else needs its
full name (mesh-plugin-jwt, @acme/jwt). Registries and credentials are those of .npmrc.

Examples:
  $ mesh plugin install jwt --enable --yes
  $ mesh plugin install @acme/waf@^2.1 --provenance enforce --built-by 'github.com/acme/*' --allow read_bodies
  $ mesh plugin install oci://ghcr.io/acme/waf:2 --key cosign.pub --allow read_bodies
  $ mesh plugin install https://acme.example/waf.wasm#sha256=9f86d081...
  $ mesh plugin install ./my-filter --enable --yes
  $ mesh plugin install ./my-filter --enable --allow http_call --config '{"header":"x-user"}' --selector app=reviews
  $ mesh plugin install filter.wasm --name coraza --phase AUTHZ`,
    )
    .action(async (spec: string, options: Options) => {
      const [{ Api }, { controlPlane }, { agreement }, { inSteps, tell }, { installPlugin }] = await Promise.all([
        import('../../api.ts'),
        import('../../plugin/control-plane.ts'),
        import('../../plugin/agree.ts'),
        import('../../plugin/progress.ts'),
        import('../../../plugins/install/install.ts'),
      ]);
      const { enable, phase, type, rootId, selector, namespace, lockfile, wait, timeout, allow } = options;
      const api = await Api.open();
      const config = options.config === undefined ? undefined : await configuration('--config', options.config);
      const policy = await trustPolicy(options);
      const installed = await inSteps(() =>
        installPlugin(controlPlane(api), spec, {
          ...{ namespace, lockfile, wait, timeout, allow, tell },
          policy,
          folder: process.cwd(),
          name: options.name,
          agree: agreement(options.yes === true),
          wishes: { enabled: enable, config, phase, type, rootId, selector },
        }),
      );
      const { plugin, locked, revision, rollout, warnings } = installed;
      for (const warning of warnings) note(`${paint('yellow', 'warning:', process.stderr)} ${warning}`);
      const { metadata, spec: stored } = plugin;
      if (options.json === true) {
        const { source, version, digest, integrity, signature, provenance, capabilities } = locked;
        printJson({
          ...{ name: metadata.name, namespace: metadata.namespace, version, source, digest, integrity },
          ...{ signature, provenance, capabilities, enabled: stored.enabled === true, revision, rollout, warnings },
        });
        return;
      }
      const version = stored.version === undefined ? '' : ` ${stored.version}`;
      print(
        `${metadata.name}${version} ${installed.before === null ? 'installed' : 'updated'}, ${state(stored.enabled === true, metadata.name)}`,
      );
    });
}

function state(enabled: boolean, plugin: string): string {
  return enabled ? 'enabled' : `not enabled: \`mesh plugin enable ${plugin}\` puts it into the chains`;
}
