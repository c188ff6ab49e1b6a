// `mesh login`: makes a control plane that runs elsewhere the mesh of this $MESH_HOME, once it has taken the token.
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
    .option('--token-command <command>', 'for the shell: prints the token each time, as one of kubectl plugins does')
    .option('--ca <file>', 'below whose certificates that of the API is, in PEM (default: what this machine trusts)')
    .option('--insecure', 'send the token in plain text to another machine')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ mesh login https://mesh.example:15010 --token-file ci-token
  $ echo "$TOKEN" | mesh login http://127.0.0.1:15010
  $ mesh login https://mesh.example:15010 --token-command 'kubectl oidc-login get-token \\
      --oidc-issuer-url https://id.example --oidc-client-id mesh'`,
    )
    .action(login);
}

async function login(wanted: string, { tokenFile, tokenCommand, ca: caFile, insecure, json }: Options): Promise<void> {
  const api = address(wanted, insecure === true);
  if (tokenFile !== undefined && tokenCommand !== undefined) {
    throw new CliError('--token-file and --token-command are one or the other', EXIT.usage);
  }
  const token = tokenCommand === undefined ? await readSecret(tokenFile, 'token') : '';
  const { Api } = await import('../api.ts');
  const ca = caFile === undefined ? undefined : await readCertificates(caFile);
  const who = await new Api({ api, token, tokenCommand, ca }).whoami();
  await makeHome();
  const file = await writeContext({ api, ca, token, tokenCommand, bus: await busOf(api) });
  if (json === true) return printJson({ ...who, api, context: file });
  const end = tokenCommand === undefined ? `, until ${who.expires ?? 'it is changed'}` : '';
  print(`logged in to ${api} as ${who.name}, ${describeGrants(who.grants)}${end}`);
  print(`context ${file}`);
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
