// `mesh login`: makes a control plane that runs elsewhere the mesh of this $MESH_HOME, once it has taken the token.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readCertificates } from '../access-options.ts';
import { makeHome, meshHome, readContextIfThere, writeContext } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';
import { describeGrants } from '../grants.ts';
import { print, printJson } from '../output.ts';
import { readSecret } from '../secret-input.ts';

interface Options {
  readonly tokenFile?: string;
  readonly tokenCommand?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  readonly ca?: string;
  readonly insecure?: boolean;
  readonly json?: boolean;
}

export function loginCommand(program: Command): void {
  program
    .command('login')
    .description('Make a control plane that runs elsewhere the mesh of this $MESH_HOME')
    .argument('<url>', 'of its API, such as https://mesh.example:15010')
    .option('--token-file <file>', 'with the token (default: standard input)')
    .option(
      '--token-command <command>',
      'for the shell: run for each command, it prints the token (or a kubectl ExecCredential)',
    )
    .option('--client-certificate <file>', 'show this in place of a token, in PEM; read each time')
    .option('--client-key <file>', 'its key (default: in the same file)')
    .option('--ca <file>', 'below whose certificates that of the API is, in PEM (default: what this machine trusts)')
    .option('--insecure', 'send the token in plain text to another machine')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ mesh login https://mesh.example:15010 --token-file ci-token
  $ mesh login https://mesh.example:15010 --client-certificate alice.pem --client-key alice.key
  $ echo "$TOKEN" | mesh login http://127.0.0.1:15010
  $ mesh login https://mesh.example:15010 --token-command 'kubectl oidc-login get-token \\
      --oidc-issuer-url https://id.example --oidc-client-id mesh'`,
    )
    .action(login);
}

async function login(wanted: string, options: Options): Promise<void> {
  const { tokenFile, tokenCommand, clientCertificate, clientKey, ca: caFile, insecure, json } = options;
  const api = address(wanted, insecure === true);
  if ([tokenFile, tokenCommand, clientCertificate].filter((one) => one !== undefined).length > 1) {
    throw new CliError('give one of --token-file, --token-command and --client-certificate', EXIT.usage);
  }
  if (clientKey !== undefined && clientCertificate === undefined) {
    throw new CliError('--client-key is of --client-certificate', EXIT.usage);
  }
  if (clientCertificate !== undefined && !api.startsWith('https:')) {
    throw new CliError('a certificate is shown by TLS: the address has to begin with https', EXIT.usage);
  }
  const others = tokenCommand !== undefined || clientCertificate !== undefined;
  const token = others ? '' : await readSecret(tokenFile, 'token');
  const files = { clientCertificate: absolute(clientCertificate), clientKey: absolute(clientKey) };
  const { Api } = await import('../api.ts');
  const ca = caFile === undefined ? undefined : await readCertificates(caFile);
  const who = await new Api({ api, token, tokenCommand, ...files, ca }).whoami();
  await makeHome();
  const file = await writeContext({ api, ca, token, tokenCommand, ...files, bus: await busOf(api) });
  if (json === true) return printJson({ ...who, api, context: file });
  const end = tokenCommand === undefined ? `, until ${who.expires ?? 'it is changed'}` : '';
  print(`logged in to ${api} as ${who.name}, ${describeGrants(who.grants)}${end}`);
  print(`context ${file}`);
}

/** It is read wherever commands run later. */
function absolute(file: string | undefined): string | undefined {
  return file === undefined ? undefined : resolve(file);
}

/** Who logs in anew where proxies may start goes on with that. */
async function busOf(api: string) {
  const known = await readContextIfThere(meshHome());
  return known?.api === api ? known.bus : { servers: [] };
}

function address(wanted: string, insecure: boolean): string {
  const url = URL.parse(wanted);
  const plain = url?.protocol === 'http:';
  if (url === null || !(plain || url.protocol === 'https:')) {
    throw new CliError(`${JSON.stringify(wanted)} is no address of a control plane: https://HOST:PORT is`, EXIT.usage);
  }
  if (url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '') {
    throw new CliError('of the address of a control plane only scheme, host and port are needed', EXIT.usage);
  }
  const here = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (plain && !here && !insecure) {
    throw new CliError(
      `the token would travel to ${url.host} in plain text: use https, or --insecure where the network is trusted`,
      EXIT.usage,
    );
  }
  return url.origin;
}
