// `mesh plugin pack` and `publish`: a plugin's folder as a tarball, and to a registry by npm.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { CliError } from '../../exit.ts';
import { print, printJson } from '../../output.ts';

export function addPackCommand(group: Command): void {
  group
    .command('pack')
    .description('Check a plugin as an installation would, and pack it; the same folder becomes the same bytes')
    .argument('[folder]', 'with its package.json', '.')
    .option('-o, --out <file>', 'where to (default: NAME-VERSION.tgz)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ mesh plugin pack ./my-plugin\n  $ mesh plugin pack --out plugin.tgz && mesh plugin install ./plugin.tgz',
    )
    .action(async (folder: string, options: { out?: string; json?: boolean }) => {
      const { tarball, file, ...facts } = await release(folder);
      const out = options.out ?? file;
      await writeFile(out, tarball);
      if (options.json === true) printJson({ ...facts, file: out, size: tarball.length });
      else print(`${out}  ${tarball.length} bytes  ${facts.integrity}`);
    });
}

export function addPublishCommand(group: Command): void {
  group
    .command('publish')
    .description('Check and pack a plugin, and publish it by npm with its registries and credentials')
    .argument('[folder]', 'with its package.json', '.')
    .addOption(
      new Option('--access <access>', 'of a scoped package').choices(['public', 'restricted']).default('public'),
    )
    .option('--tag <tag>', 'instead of latest')
    .option('--npm-provenance', 'say where it was built; npm can do that on GitHub and GitLab')
    .option('--dry-run', 'everything but the upload')
    .addHelpText(
      'after',
      '\nExamples:\n  $ mesh plugin publish --dry-run\n  $ mesh plugin publish ./my-plugin --npm-provenance',
    )
    .action(
      async (folder: string, options: { access: string; tag?: string; npmProvenance?: boolean; dryRun?: boolean }) => {
        const { tarball, file, name, version } = await release(folder);
        const place = await mkdtemp(join(tmpdir(), 'mesh-publish-'));
        try {
          await writeFile(join(place, file), tarball);
          const args = ['publish', join(place, file), '--ignore-scripts', '--access', options.access];
          if (options.tag !== undefined) args.push('--tag', options.tag);
          if (options.npmProvenance === true) args.push('--provenance');
          if (options.dryRun === true) args.push('--dry-run');
          const child = spawn('npm', args, { stdio: ['inherit', 'ignore', 'inherit'] });
          const [code] = await Promise.race([
            once(child, 'exit'),
            once(child, 'error').then(([error]) => {
              throw new CliError(`npm cannot be started: ${(error as Error).message}`);
            }),
          ]);
          if (code !== 0) throw new CliError(`npm ended with ${code}: ${name}@${version} was not published`);
          print(`${name}@${version} ${options.dryRun === true ? 'would be published (dry run)' : 'published'}`);
        } finally {
          await rm(place, { recursive: true, force: true });
        }
      },
    );
}

async function release(folder: string) {
  const [{ packRelease }, { inSteps }] = await Promise.all([
    import('../../../plugins/release.ts'),
    import('../../plugin/progress.ts'),
  ]);
  return inSteps(() => packRelease(folder), 'nothing was packed');
}
