// Whom a control plane lets in beside those that have its own tokens, as the command line says it: tokens of an OpenID Connect issuer
// and client certificates, in kube-apiserver's words, and which roles they have.
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { Grant } from '../control/access/caller.ts';
import type { ControlOptions } from '../control/main.ts';
import { CliError, EXIT } from './exit.ts';

export interface AccessChoice {
  readonly oidcIssuerUrl?: string;
  readonly oidcClientId?: string;
  readonly oidcUsernameClaim?: string;
  readonly oidcGroupsClaim?: string;
  readonly oidcCaFile?: string;
  readonly clientCaFile?: string;
  readonly clientCrlFile?: string;
  readonly grant?: readonly Granted[];
}

interface Granted {
  readonly of: 'users' | 'groups';
  readonly name: string;
  readonly grant: Grant;
}

const MOST_GRANTS = 1_000;
const NAMESPACE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export function accessOptions(command: Command): Command {
  return command
    .option('--oidc-issuer-url <url>', 'take tokens of this OpenID Connect issuer at the API, too', issuerUrl)
    .option('--oidc-client-id <id>', 'what they have to be for: their audience')
    .option('--oidc-username-claim <claim>', 'what of them is the name (default: sub)')
    .option('--oidc-groups-claim <claim>', 'what of them are the groups (default: groups)')
    .option(
      '--oidc-ca-file <file>',
      "below whose certificates the issuer's is, in PEM (default: what this machine trusts)",
    )
    .option('--client-ca-file <file>', 'take certificates below these at the API of --listen, too, in PEM')
    .option('--client-crl-file <file>', 'which of them are revoked, in PEM; read again when it changes')
    .option(
      '--grant <who=role>',
      'what both may: group:NAME=ROLE, user:oidc:NAME=ROLE or user:cert:NAME=ROLE, and @NAMESPACE,... behind it; repeatable',
      granted,
    );
}

/** Throws CliError. */
export async function chosenAccess(
  choice: AccessChoice & { readonly listen?: string },
): Promise<Pick<ControlOptions, 'oidc' | 'clients' | 'roles'>> {
  const { grant = [] } = choice;
  const [oidc, clients] = [await chosenIssuer(choice), await chosenClients(choice)];
  if (oidc === undefined && clients === undefined && grant.length > 0) {
    throw new CliError('--grant is for those of --oidc-issuer-url and --client-ca-file: name one of them', EXIT.usage);
  }
  return { oidc, clients, roles: rolesOf(grant) };
}

async function chosenClients(choice: AccessChoice & { readonly listen?: string }): Promise<ControlOptions['clients']> {
  const { clientCaFile, clientCrlFile: crlFile, listen } = choice;
  if (clientCaFile === undefined) {
    if (crlFile === undefined) return undefined;
    throw new CliError('--client-crl-file is of the authority that --client-ca-file names', EXIT.usage);
  }
  if (listen === undefined) {
    throw new CliError(
      '--client-ca-file needs --listen: certificates are shown by TLS, which is spoken there',
      EXIT.usage,
    );
  }
  return { ca: await readCertificates(clientCaFile), crlFile };
}

async function chosenIssuer(choice: AccessChoice): Promise<ControlOptions['oidc']> {
  const { oidcIssuerUrl: issuer, oidcClientId: clientId, oidcCaFile } = choice;
  const { oidcUsernameClaim: usernameClaim, oidcGroupsClaim: groupsClaim } = choice;
  if (issuer === undefined) {
    const without = [clientId, usernameClaim, groupsClaim, oidcCaFile].find((each) => each !== undefined);
    if (without === undefined) return undefined;
    throw new CliError('--oidc-... is of an issuer: --oidc-issuer-url URL names it', EXIT.usage);
  }
  if (clientId === undefined || clientId === '') {
    throw new CliError('--oidc-issuer-url needs --oidc-client-id: tokens for somebody else would count', EXIT.usage);
  }
  const ca = oidcCaFile === undefined ? undefined : await readCertificates(oidcCaFile);
  return { issuer, clientId, usernameClaim, groupsClaim, ca };
}

/** Certificates in PEM. Throws CliError. */
export async function readCertificates(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'it does not exist' : error.message;
    throw new CliError(`${file} cannot be read: ${why}`, EXIT.usage);
  });
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new CliError(`${file} has no certificate in PEM`, EXIT.usage);
  return text;
}

function rolesOf(granted: readonly Granted[]): NonNullable<ControlOptions['roles']> {
  const roles = { users: new Map<string, Grant[]>(), groups: new Map<string, Grant[]>() };
  for (const { of, name, grant } of granted) {
    const known = roles[of].get(name);
    if (known === undefined) roles[of].set(name, [grant]);
    else known.push(grant);
  }
  return roles;
}

function issuerUrl(text: string): string {
  const url = URL.parse(text);
  const here = url !== null && /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url === null || !(url.protocol === 'https:' || (url.protocol === 'http:' && here))) {
    throw new InvalidArgumentError('an issuer has an https URL: whoever is between could be it otherwise.');
  }
  if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw new InvalidArgumentError('the URL of an issuer has no query, fragment or credentials.');
  }
  return text;
}

/** 'group:platform=admin', 'user:oidc:alice=operator@shop,cart' */
function granted(text: string, before: readonly Granted[] = []): Granted[] {
  const at = text.lastIndexOf('=');
  const [, of, name] = /^(user|group):(.+)$/.exec(text.slice(0, Math.max(0, at))) ?? [];
  const [, role, , places] = /^(viewer|operator|admin)(@(.*))?$/.exec(text.slice(at + 1)) ?? [];
  if (of === undefined || role === undefined) {
    throw new InvalidArgumentError(
      'a grant is group:NAME=ROLE, user:oidc:NAME=ROLE or user:cert:NAME=ROLE, where ROLE is viewer, operator or admin, or operator@NAMESPACE,...',
    );
  }
  if (of === 'user' && !/^(?:oidc|cert):./.test(name)) {
    throw new InvalidArgumentError(`a user is named as the mesh keeps it: user:oidc:${name} or user:cert:${name}.`);
  }
  const namespaces = places === undefined ? null : places.split(',');
  const other = namespaces?.find((each) => !NAMESPACE.test(each));
  if (other !== undefined) throw new InvalidArgumentError(`${JSON.stringify(other)} is no namespace.`);
  if (role === 'admin' && namespaces !== null) {
    throw new InvalidArgumentError('an admin is one of the whole mesh: an operator may be one of namespaces.');
  }
  if (before.length === MOST_GRANTS) throw new InvalidArgumentError(`there are at most ${MOST_GRANTS}.`);
  const grant: Grant = { role: role as Grant['role'], namespaces };
  return [...before, { of: of === 'user' ? 'users' : 'groups', name, grant }];
}
