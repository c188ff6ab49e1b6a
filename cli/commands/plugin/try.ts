// `mesh plugin try`: one exchange through a module in the proxies' own host, and what the module did.
import { type Command, Option } from 'commander';
import { ROOT_NAMESPACE } from '../../../core/config/attachment.ts';
import type { PluginKind } from '../../../core/wasm/trial/trial.ts';
import type { TrialResponse } from '../../../core/wasm/trial/trial-exchange.ts';
import type { Trial, TryOptions } from '../../../plugins/try.ts';
import { CliError, EXIT } from '../../exit.ts';
import { note, paint, print, printJson } from '../../output.ts';
import type { Subject } from '../../plugin/subject.ts';
import { answer, header, message, method, property, status, target } from '../../trial-options.ts';

const KINDS: Readonly<Record<PluginKind, string>> = {
  http: 'an HTTP filter',
  network: 'a network filter',
  service: 'a service',
};

type Fields = readonly (readonly [string, string])[];

interface Options {
  readonly rootId?: string;
  readonly vmId?: string;
  readonly type?: 'http' | 'network' | 'service';
  readonly config?: string;
  readonly vmConfig?: string;
  readonly namespace: string;
  readonly method?: string;
  readonly path: string;
  readonly header: Fields;
  readonly data: string;
  readonly responseStatus: number;
  readonly responseHeader: Fields;
  readonly responseBody: string;
  readonly property: readonly (readonly [string, Uint8Array])[];
  readonly answer: readonly (readonly [string, TrialResponse])[];
  readonly json?: boolean;
}

export function addTryCommand(group: Command): void {
  group
    .command('try')
    .description('Send one exchange through a module, and print what it did')
    .argument('<file>', 'a .wasm file, a plugin’s folder, or the name of an installed plugin')
    .option('-n, --namespace <name>', 'of an installed plugin', ROOT_NAMESPACE)
    .option('--root-id <id>', 'root id, which a module with several plugins chooses by')
    .option('--vm-id <id>', 'of its virtual machine, by which queues are found')
    .addOption(new Option('--type <type>', 'what it is').choices(['http', 'network', 'service']))
    .option('--config <json>', 'its configuration; @FILE reads a file')
    .option('--vm-config <text>', 'configuration of its virtual machine; @FILE reads a file')
    .option('-X, --method <method>', 'the request’s method (default: GET, with a body POST)', method)
    .option('--path <path>', 'the request’s path', target, '/')
    .option('-H, --header <header>', "a header of the request, 'name: value'; repeatable", header, [])
    .option('-d, --data <body>', 'the request’s body, or what the client of a connection says', '')
    .option('--response-status <status>', 'status of the upstream’s answer', status, 200)
    .option('--response-header <header>', 'a header of the answer; repeatable', header, [])
    .option('--response-body <body>', 'the answer’s body, or what the upstream of a connection says', '')
    .option('--property <path=value>', 'answers a property; repeatable', property, [])
    .option(
      '--answer <upstream=status:body>',
      'a service that it may call, and what that answers; repeatable',
      answer,
      [],
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Works on every module of proxy-wasm 0.1.0, 0.2.0 and 0.2.1, without a mesh. A module that is refused ends with exit code 3,
one that traps with 1. A folder's module runs with its default
configuration, an installed plugin with the one that it has in the mesh, unless --config says otherwise.

Examples:
  $ mesh plugin try filter.wasm
  $ mesh plugin try filter.wasm --config '{"header":"x-user"}' -H 'cookie: user=jason' --path /reviews/0
  $ mesh plugin try filter.wasm --config @config.json -d hello --response-body world --json
  $ mesh plugin try authz.wasm --answer 'authz.default=403:not today'
  $ mesh plugin try security-headers --response-header 'server: nginx'
  $ mesh plugin try tcp.wasm --type network -d ping --response-body pong --property source.address=10.0.0.1:4000`,
    )
    .action(async (file: string, options: Options) => {
      const [{ tryModule }, { readSubject }] = await Promise.all([
        import('../../../plugins/try.ts'),
        import('../../plugin/subject.ts'),
      ]);
      const subject = await readSubject(file, options.namespace);
      const trial = await tryModule(subject.bytes, await tryOptions(subject, options));
      if (options.json === true) printJson(trial.report);
      else if (trial.report.accepted) print(inWords(trial));
      const { refusal, trap } = trial.report;
      if (refusal !== null) {
        note(`${paint('red', 'mesh:', process.stderr)} ${file} cannot run: ${refusal}`);
        process.exitCode = EXIT.refused;
      } else if (trap !== null) {
        note(`${paint('red', 'mesh:', process.stderr)} ${file} trapped in ${trap}`);
        process.exitCode = EXIT.failure;
      }
      if (trial.kind !== null && trial.others.length > 0) note(`It ${takenFor(trial.kind, trial.others)}.`);
    });
}

function takenFor(kind: PluginKind, others: readonly PluginKind[]): string {
  const types = others.map((other) => `--type ${other}`).join(' or ');
  return `was taken for ${KINDS[kind]} by its callbacks, and has those of others, too: if it is one of them, say ${types}`;
}

async function tryOptions(subject: Subject, options: Options): Promise<TryOptions> {
  const [configuration, vmConfiguration] = await Promise.all([
    options.config === undefined ? subject.configuration : textOrFile('--config', options.config),
    options.vmConfig === undefined ? subject.vmConfiguration : textOrFile('--vm-config', options.vmConfig),
  ]);
  const { head, headers } = message(options.header);
  const reply = message(options.responseHeader);
  const body = Buffer.from(options.data);
  return {
    name: subject.name,
    rootId: options.rootId ?? subject.rootId,
    vmId: options.vmId ?? subject.vmId,
    kind: options.type ?? subject.kind,
    configuration,
    vmConfiguration,
    request: {
      method: options.method ?? head.get(':method') ?? (body.length > 0 ? 'POST' : 'GET'),
      authority: head.get(':authority') ?? head.get('host') ?? 'localhost',
      path: head.get(':path') ?? options.path,
      scheme: head.get(':scheme') === 'https' ? 'https' : 'http',
      headers,
      body,
    },
    response: {
      status: options.responseStatus,
      headers: reply.headers,
      body: Buffer.from(options.responseBody),
    },
    properties: new Map(options.property),
    upstreams: new Map(options.answer),
  };
}

async function textOrFile(option: string, text: string): Promise<Uint8Array> {
  if (!text.startsWith('@')) return Buffer.from(text);
  const { readFile } = await import('node:fs/promises');
  try {
    return await readFile(text.slice(1));
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (error as Error).message;
    throw new CliError(`${option}: cannot read ${text.slice(1)}: ${why}`, EXIT.usage);
  }
}

function inWords({ report, kind, held, notes }: Trial): string {
  const lines: string[] = [];
  const section = (title: string, rows: readonly string[]): void => {
    if (rows.length > 0) lines.push(paint('bold', title), ...rows.map((row) => `  ${row}`));
  };
  const { request, response, local } = report;
  section(
    'Actions',
    report.actions.map(({ callback, action }) => `${callback}: ${action}`),
  );
  const rows = (headers: Fields, body: string): string[] => [
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(body === '' ? [] : ['', ...body.replace(/\n$/, '').split('\n')]),
  ];
  if (local !== null) section(`Answered by the filter: ${local.status}`, rows(local.headers, local.body));
  if (request !== null) {
    const title = kind === 'network' ? 'To the upstream' : local === null ? 'Request' : 'Request (not sent on)';
    section(title, rows(request.headers, request.body));
  }
  if (response !== null && kind === 'network') section('To the client', rows([], response.body));
  else if (response !== null) {
    lines.push(paint('bold', `Response: ${response.status}`));
    lines.push(...rows(response.headers, response.body).map((row) => `  ${row}`));
  }
  if (held) lines.push(paint('yellow', 'Still held by the filter at the end.'));
  section(
    'Log',
    report.logs.map(({ level, message: text }) => `${level}: ${text}`),
  );
  section('Notes of the host', notes);
  section(
    'Metrics',
    report.metrics.map(({ name, type, value }) => `${name} (${type}): ${value}`),
  );
  section('Properties asked for', report.properties);
  section(
    'Host calls',
    report.calls.map(({ name, args }) => `${name}(${args.map((arg) => JSON.stringify(arg)).join(', ')})`),
  );
  lines.push(`Memory: ${report.memoryPages} pages of 64 KiB`);
  return lines.join('\n');
}
