// `mesh restore`: makes what was kept the configuration again, as the explicit act by which every proxy takes it.
import type { Command } from 'commander';
import type { Position } from '../../bus/types.ts';
import type { Backup } from '../backup-file.ts';
import { CliError, EXIT } from '../exit.ts';
import { note, print } from '../output.ts';
import { dryRunOption, timeoutOption } from '../parse.ts';
import type { ChangeOptions } from '../rollout.ts';

interface Options extends ChangeOptions {
  readonly fromProxy?: string;
  readonly fromManifest?: boolean;
  readonly fromLog?: boolean;
  readonly secrets?: boolean;
  readonly force?: boolean;
  readonly lockfile: string;
  readonly passphraseFile?: string;
  readonly message?: string;
}

/** What is made the configuration again. */
interface Source {
  readonly what: string;
  readonly resources: readonly unknown[];
  readonly at: Position;
  /** null: it is not there. */
  module(digest: string): Promise<Uint8Array | null>;
}

export function restoreCommand(program: Command): void {
  program
    .command('restore')
    .description(
      'Make a backup, or what a proxy still runs, the configuration again; without arguments: tell what there is',
    )
    .argument('[file]', 'as `mesh backup` wrote it')
    .option('--from-proxy <folder>', "a proxy's state, such as $MESH_HOME/proxies/127.18.21.7")
    .option('--from-manifest', 'the newest full state that NATS keeps beside its log')
    .option('--from-log', 'what the log of NATS holds now: it is right, and proxies shall take it')
    .option('--secrets', 'only the secrets of the file, into $MESH_HOME: before `mesh up`')
    .option('--force', 'with --secrets: replace others')
    .option('--lockfile <file>', 'where the digests of plugins go when there is no such file', 'mesh-plugins.lock')
    .option('--passphrase-file <file>', 'opens the secrets (default: $MESH_BACKUP_PASSPHRASE)')
    .option('--wait', 'until every proxy with a live lease runs it')
    .addOption(timeoutOption())
    .addOption(dryRunOption(false))
    .option('-m, --message <text>', 'for the history')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Whatever the log of NATS holds is replaced, and every proxy takes it, also one that holds the log back because it does not have
what the proxy runs.

Examples:
  $ mesh restore                                         what can be restored
  $ mesh restore shop.mesh --wait
  $ mesh restore --from-proxy ~/.mesh/proxies/127.18.21.7
  $ mesh restore shop.mesh --secrets && mesh up          on a new machine, then \`mesh restore shop.mesh\``,
    )
    .action(async (file: string | undefined, options: Options) => {
      const { fromProxy, fromManifest, fromLog } = options;
      const given = [file, fromProxy, fromManifest, fromLog].filter((one) => one !== undefined);
      if (given.length > 1)
        throw new CliError('give one of FILE, --from-proxy, --from-manifest and --from-log', EXIT.usage);
      if (options.secrets === true) return restoreSecrets(file, options);
      if (given.length === 0) return tell();
      const [{ Api }, { reportChange }] = await Promise.all([import('../api.ts'), import('../rollout.ts')]);
      const api = await Api.open();
      const { dryRun, message } = options;
      if (fromManifest === true || fromLog === true) {
        const from = fromLog === true ? 'log' : 'manifest';
        const text = message ?? `restore from the ${from}`;
        return reportChange(api, await api.restore({ from }, { dryRun, message: text }), options);
      }
      const backup = file === undefined ? null : await openBackup(file);
      const source = backup === null ? await proxySource(fromProxy!) : backupSource(file!, backup);
      const { resources, what } = source;
      const at = await aheadOf(source.at);
      if (dryRun !== true) await putModules(api, source);
      // Gateways find them when their Gateways come back.
      if (backup !== null && dryRun !== true) {
        await putCredentials(api, backup);
        await putAccess(api, backup);
      }
      const result = await api.restore({ resources, at }, { dryRun, message: message ?? `restore ${what}` });
      if (backup !== null && dryRun !== true) await putLockfile(options.lockfile, backup);
      return reportChange(api, result, options);
    });
}

/** With the newest epoch that proxies of this machine know: one that a clock which was ahead has made is ahead of any by this one. */
async function aheadOf(at: Position): Promise<Position> {
  const [{ keptStates }, { meshHome }] = await Promise.all([import('../kept-states.ts'), import('../context.ts')]);
  const [newest] = await keptStates(meshHome());
  return { ...at, epoch: Math.max(at.epoch, newest?.at.epoch ?? 0) };
}

async function openBackup(file: string): Promise<Backup> {
  const { readBackup } = await import('../backup-file.ts');
  return readBackup(file);
}

function backupSource(file: string, { resources, at, modules, time }: Backup): Source {
  return {
    what: `${file} of ${time}`,
    resources,
    at,
    module: async (digest) => (Object.hasOwn(modules, digest) ? Buffer.from(modules[digest], 'base64') : null),
  };
}

async function proxySource(folder: string): Promise<Source> {
  const [{ keptState }, { ModuleFolder }, { dirname, join }, { readdir }] = await Promise.all([
    import('../kept-states.ts'),
    import('../../core/main/module-folder.ts'),
    import('node:path'),
    import('node:fs/promises'),
  ]);
  const kept = await keptState(folder);
  if (kept === null) throw new CliError(`${folder} keeps no state of a proxy that can be read`, EXIT.usage);
  // What this one does not run itself, others of the machine may.
  const beside = await readdir(dirname(folder)).catch(() => []);
  const modules = [folder, ...beside.map((name) => join(dirname(folder), name))].map(
    (each) => new ModuleFolder(join(each, 'modules'), (_level, _component, message) => note(message)),
  );
  const module = async (digest: string): Promise<Uint8Array | null> => {
    for (const each of modules) {
      const bytes = await each.get(digest);
      if (bytes !== null) return bytes;
    }
    return null;
  };
  const resources = kept.resources.map(({ body }) => body);
  return {
    what: `revision ${kept.at.revision} of ${folder}`,
    resources,
    at: kept.at,
    module,
  };
}

/** Those that the mesh does not have. What is nowhere is refused by the control plane, with the resource that wants it. */
async function putModules(api: import('../api.ts').Api, { resources, module }: Source): Promise<void> {
  const { moduleDigest } = await import('../../core/config/modules.ts');
  const stored = new Set((await api.modules()).map(({ digest }) => digest));
  const wanted = new Set(
    resources.map((resource) => moduleDigest(resource as never)).filter((digest) => digest !== null),
  );
  for (const digest of wanted) {
    const bytes = stored.has(digest) ? null : await module(digest);
    if (bytes !== null) await api.putModule(digest, bytes);
  }
}

async function putCredentials(api: import('../api.ts').Api, { credentials }: Backup): Promise<void> {
  if (credentials.length === 0) return;
  const { newer, foreign } = await api.restoreSecrets(credentials);
  for (const key of newer) note(`the secret ${key} was changed after the backup and stays`);
  for (const key of foreign) note(`the secret ${key} was sealed by another mesh: create it again`);
}

/** What was revoked since is not known where all was lost. */
async function putAccess(api: import('../api.ts').Api, { access }: Backup): Promise<void> {
  if (access.length === 0) return;
  const { restored, foreign } = await api.restoreAccess(access);
  // Of who has no token of the mesh's it is only known that they are revoked.
  const tokens = restored.filter((name) => !name.includes(':'));
  if (tokens.length > 0) {
    note(`tokens count again as at the time of the backup: ${tokens.join(', ')}; revoke those that were revoked since`);
  }
  for (const name of foreign) note(`the token ${name} was made by another mesh: create it again`);
}

async function putLockfile(file: string, { lockfile }: Backup): Promise<void> {
  if (lockfile === null) return;
  const { writeFile } = await import('node:fs/promises');
  await writeFile(file, lockfile, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    note(`${file} is there already and stays`);
  });
}

async function restoreSecrets(file: string | undefined, options: Options): Promise<void> {
  if (file === undefined) throw new CliError('--secrets needs the FILE of a backup', EXIT.usage);
  const [{ unseal }, { writeSecrets }, { readPassphrase, PASSPHRASE_VARIABLE }, { makeHome }] = await Promise.all([
    import('../backup-file.ts'),
    import('../home-files.ts'),
    import('../passphrase.ts'),
    import('../context.ts'),
  ]);
  const { secrets } = await openBackup(file);
  if (secrets === null) throw new CliError(`${file} has no secrets: it was made without a passphrase`, EXIT.refused);
  const passphrase = await readPassphrase(options.passphraseFile);
  if (passphrase === null) throw new CliError(`the secrets are sealed: set $${PASSPHRASE_VARIABLE}`, EXIT.usage);
  const written = await writeSecrets(await makeHome(), await unseal(secrets, passphrase), options.force === true);
  for (const path of written) print(path);
  if (written.length === 0) print('the secrets of this mesh are those of the backup already');
}

/** What there is to restore from, the newest first. */
async function tell(): Promise<void> {
  const [{ keptStates }, { meshHome }] = await Promise.all([import('../kept-states.ts'), import('../context.ts')]);
  const states = await keptStates(meshHome());
  for (const { at, resources, folder, time } of states) {
    const when = new Date(time).toISOString();
    print(`revision ${at.revision}, ${resources.length} resources, kept ${when}: mesh restore --from-proxy ${folder}`);
  }
  if (states.length === 0) print('no proxy of this machine keeps a state');
  print('the newest full state that NATS keeps beside its log: mesh restore --from-manifest');
  print('a file that `mesh backup` wrote: mesh restore FILE');
  print('the log of NATS as it is now, when that is right and proxies hold it back: mesh restore --from-log');
}
