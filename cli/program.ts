// Assembles `mesh` from its commands, and turns whatever ends one into a line and an exit code. Commands are
// loaded when they are named, and load what they need when they run, so that the small ones are instant.
import { Command, CommanderError } from 'commander';
import { addChosen, type Choice } from './choices.ts';
import { CliError, done, EXIT, EXIT_CODES_HELP } from './exit.ts';
import { describeProblem, note, paint, printJson } from './output.ts';
import { StandardStreams } from './standard-streams.ts';
import { weftVersion } from './version.ts';

/** In the order of the help. */
const COMMANDS: readonly Choice[] = [
  ['up', async () => (await import('./commands/up.ts')).upCommand],
  ['token', async () => (await import('./commands/token.ts')).tokenCommand],
  ['join', async () => (await import('./commands/join.ts')).joinCommand],
  ['run', async () => (await import('./commands/run.ts')).runCommand],
  ['apply', async () => (await import('./commands/apply.ts')).applyCommand],
  ['get', async () => (await import('./commands/get.ts')).getCommand],
  ['delete', async () => (await import('./commands/delete.ts')).deleteCommand],
  ['diff', async () => (await import('./commands/diff.ts')).diffCommand],
  ['validate', async () => (await import('./commands/validate.ts')).validateCommand],
  ['history', async () => (await import('./commands/history.ts')).historyCommand],
  ['rollback', async () => (await import('./commands/rollback.ts')).rollbackCommand],
  ['backup', async () => (await import('./commands/backup.ts')).backupCommand],
  ['restore', async () => (await import('./commands/restore.ts')).restoreCommand],
  ['proxy-status ps', async () => (await import('./commands/proxy-status.ts')).proxyStatusCommand],
  ['proxy-config pc', async () => (await import('./commands/proxy-config.ts')).proxyConfigCommand],
  ['plugin', async () => (await import('./commands/plugin.ts')).pluginCommand],
  ['login', async () => (await import('./commands/login.ts')).loginCommand],
  ['whoami', async () => (await import('./commands/whoami.ts')).whoamiCommand],
  ['secret', async () => (await import('./commands/secret.ts')).secretCommand],
  ['access', async () => (await import('./commands/access.ts')).accessCommand],
  ['ca', async () => (await import('./commands/ca.ts')).caCommand],
  ['control', async () => (await import('./commands/control.ts')).controlCommand],
  ['nats', async () => (await import('./commands/nats.ts')).natsCommand],
  ['proxy', async () => (await import('./commands/proxy.ts')).proxyCommand],
  ['version', async () => (await import('./commands/version.ts')).versionCommand],
];

/** Runs one command line, without `node` and the script in front, and sets the exit code. */
export async function main(args: readonly string[]): Promise<void> {
  const streams = new StandardStreams();
  try {
    await (await buildProgram(args)).parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = report(error, args.includes('--json'));
  }
  // What was changed is changed, whoever read of it.
  if (!(await streams.delivered()) && !done.change) process.exitCode ||= EXIT.failure;
}

/** With the commands that are needed to read this command line. Runs nothing until it is given one. */
export async function buildProgram(words: readonly string[]): Promise<Command> {
  const program = new Command('mesh')
    .description('Weft: a service mesh for Node that you extend with WASM.')
    .version(weftVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    // Wherever it stands, before or after the command of a group.
    .hook('preAction', (_program, command) => {
      if (command.parent?.opts().json === true) command.setOptionValue('json', true);
    })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'mesh: ')) })
    .addHelpText(
      'after',
      `
The mesh of a shell is found in $MESH_HOME (default: ./.mesh if it is there, else ~/.mesh).

Examples:
  $ mesh up                                            start NATS and the control plane here
  $ mesh run --service api --port 3000 -- node api.js  start an app with its sidecar
  $ mesh apply -f rules/ --wait                        change the rules, and wait until every proxy runs them
${EXIT_CODES_HELP}`,
    );
  await addChosen(program, COMMANDS, words);
  return program;
}

function report(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) {
    // Help and version end this way, too.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  const known = error instanceof CliError;
  const message = error instanceof Error ? error.message : String(error);
  const exitCode = known ? error.exitCode : EXIT.failure;
  const problems = known ? error.problems : [];
  if (json) {
    printJson({ error: message, exitCode, problems });
  } else {
    for (const problem of problems) note(describeProblem(problem));
  }
  note(`${paint('red', 'mesh:', process.stderr)} ${message.replace(/\s*\n\s*/g, ' ')}`);
  if (!known && process.env.MESH_DEBUG !== undefined && error instanceof Error) note(error.stack ?? '');
  return exitCode;
}
