// `mesh backup`: everything that this mesh is made of, in one file.
import type { Command } from 'commander';
import { note, print, printJson } from '../output.ts';

interface Options {
  readonly lockfile: string;
  readonly passphraseFile?: string;
  readonly json?: boolean;
}

export function backupCommand(program: Command): void {
  program
    .command('backup')
    .description('Write configuration, plugins, lockfile and, under a passphrase, the secrets of this mesh to one file')
    .argument('<file>', 'is written whole, for its owner only')
    .option('--lockfile <file>', 'where the digests of plugins are kept', 'mesh-plugins.lock')
    .option('--passphrase-file <file>', 'seals the secrets of $MESH_HOME (default: $MESH_BACKUP_PASSPHRASE)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Without a passphrase the secrets of $MESH_HOME (the users of NATS, tokens, pull secrets) are left out: a mesh that is restored from
the file alone gets new ones, and proxies that run join it anew. What \`mesh secret\` keeps is in the file as the mesh seals it, by a key
that is one of those secrets: without them it cannot be opened again. Who has a token of \`mesh access\` is in it, and not the tokens: those
who have them go on with them. Tokens and machines of \`mesh token\` are not: machines join the restored mesh anew.

Examples:
  $ mesh backup shop.mesh
  $ MESH_BACKUP_PASSPHRASE=... mesh backup /backups/shop.mesh`,
    )
    .action(async (file: string, options: Options) => {
      const [{ Api }, { writeBackup, seal }, { readSecrets }, { readPassphrase }, { meshHome }, fs, { weftVersion }] =
        await Promise.all([
          import('../api.ts'),
          import('../backup-file.ts'),
          import('../home-files.ts'),
          import('../passphrase.ts'),
          import('../context.ts'),
          import('node:fs/promises'),
          import('../version.ts'),
        ]);
      const passphrase = await readPassphrase(options.passphraseFile);
      const api = await Api.open();
      const { at, resources, secrets: credentials, access } = await api.backup();
      const modules: Record<string, string> = {};
      for (const { digest, usedBy } of await api.modules()) {
        const bytes = usedBy.length === 0 ? null : await api.module(digest);
        if (bytes !== null) modules[digest] = Buffer.from(bytes).toString('base64');
      }
      const lockfile = await fs.readFile(options.lockfile, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      const secrets = passphrase === null ? null : await seal(await readSecrets(meshHome()), passphrase);
      const time = new Date().toISOString();
      const parts = { version: weftVersion(), at, resources, modules, lockfile, credentials, access, secrets };
      const size = await writeBackup(file, { format: 'weft-backup', v: 1, time, ...parts });
      const counts = {
        resources: resources.length,
        modules: Object.keys(modules).length,
        credentials: credentials.length,
        access: access.length,
      };
      if (options.json === true) {
        printJson({
          file,
          size,
          revision: at.revision,
          ...counts,
          lockfile: lockfile !== null,
          secrets: secrets !== null,
        });
        return;
      }
      const sealed = credentials.length === 0 ? '' : `, ${credentials.length} of \`mesh secret\``;
      const tokens = access.length === 0 ? '' : `, ${access.length} of \`mesh access\``;
      const kept = `${sealed}${tokens}${lockfile === null ? '' : ', the lockfile'}`;
      print(
        `${file}: revision ${at.revision}, ${counts.resources} resources, ${counts.modules} modules${kept}, ${size} bytes`,
      );
      if (secrets === null) note('without secrets: give a passphrase to keep them, too (see `mesh backup --help`)');
    });
}
