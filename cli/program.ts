// Assembles `mesh` from its commands, and turns whatever ends one into a line and an exit code. Commands load what they need
// when they run, so that the small ones are instant.
import { Command, CommanderError } from 'commander';
import { applyCommand } from './commands/apply.ts';
import { controlCommand } from './commands/control.ts';
import { deleteCommand } from './commands/delete.ts';
import { diffCommand } from './commands/diff.ts';
import { getCommand } from './commands/get.ts';
import { historyCommand } from './commands/history.ts';
import { pluginCommand } from './commands/plugin.ts';
import { proxyCommand } from './commands/proxy.ts';
import { proxyConfigCommand } from './commands/proxy-config.ts';
import { proxyStatusCommand } from './commands/proxy-status.ts';
import { rollbackCommand } from './commands/rollback.ts';
import { runCommand } from './commands/run.ts';
import { upCommand } from './commands/up.ts';
import { validateCommand } from './commands/validate.ts';
import { versionCommand } from './commands/version.ts';
import { CliError, done, EXIT, EXIT_CODES_HELP } from './exit.ts';
import { describeProblem, note, paint } from './output.ts';
import { StandardStreams } from './standard-streams.ts';
import { weftVersion } from './version.ts';

/** In the order of the help. */
const COMMANDS = [
  upCommand,
  runCommand,
  applyCommand,
  getCommand,
  deleteCommand,
  diffCommand,
  validateCommand,
  historyCommand,
  rollbackCommand,
  proxyStatusCommand,
  proxyConfigCommand,
  pluginCommand,
  controlCommand,
  proxyCommand,
  versionCommand,
];

/** Runs one command line, without `node` and the script in front, and sets the exit code. */
export async function main(args: readonly string[]): Promise<void> {
  const streams = new StandardStreams();
  try {
    await buildProgram().parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = report(error, args.includes('--json'));
  }
  // What was changed is changed, whoever read of it.
  if (!(await streams.delivered()) && !done.change) process.exitCode ||= EXIT.failure;
}

/** Runs nothing until it is given a command line. */
export function buildProgram(): Command {
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
  for (const add of COMMANDS) add(program);
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
    process.stdout.write(`${JSON.stringify({ error: message, exitCode, problems }, null, 2)}\n`);
  } else {
    for (const problem of problems) note(describeProblem(problem));
  }
  note(`${paint('red', 'mesh:', process.stderr)} ${message.replace(/\s*\n\s*/g, ' ')}`);
  if (!known && process.env.MESH_DEBUG !== undefined && error instanceof Error) note(error.stack ?? '');
  return exitCode;
}
