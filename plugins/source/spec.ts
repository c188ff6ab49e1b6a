// What `mesh plugin install` was given, taken apart: where a plugin comes from. A bare name means the official scope and nothing else.
import { StepFailed } from '../step.ts';

export type PluginSource =
  /** `bare`: the word that was given for a package of the official scope. Version, range or tag; '' is 'latest'. */
  | { readonly from: 'npm'; readonly name: string; readonly range: string; readonly bare: string | null }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'oci'; readonly reference: string }
  | { readonly from: 'url'; readonly url: string; readonly sha256: string };

/** Whose packages bare names stand for: 'jwt' is '@weft-mesh/plugin-jwt'. */
export const OFFICIAL_SCOPE = '@weft-mesh';
const OFFICIAL_PREFIX = `${OFFICIAL_SCOPE}/plugin-`;
/** Of packages without a scope. */
export const COMMUNITY_PREFIX = 'mesh-plugin-';

const PACKAGE = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;
const FILE = /\.(wasm|tgz|tar\.gz)$/i;

/** Throws StepFailed (resolve, usage). */
export function parseSource(text: string): PluginSource {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1].toLowerCase();
  if (scheme === 'oci') return { from: 'oci', reference: text.slice('oci://'.length) };
  if (scheme === 'https' || scheme === 'http') return parseUrl(text);
  if (scheme === 'file') return { from: 'file', path: fromFileUrl(text) };
  if (scheme === 'npm') return parseName(text.slice('npm:'.length), false);
  if (scheme !== undefined) {
    throw unusable(`${quote(text)} has an unknown scheme: npm:, oci://, https:// or file:`);
  }
  if (/^(\.{1,2}$|\.{0,2}\/)/.test(text) || FILE.test(text)) return { from: 'file', path: text };
  return parseName(text, true);
}

/** How the package is called that a bare name may mean outside of the official scope. */
export function communityName(bare: string): string {
  return COMMUNITY_PREFIX + bare;
}

function parseName(text: string, bareAllowed: boolean): PluginSource {
  const at = text.indexOf('@', 1);
  const name = at < 0 ? text : text.slice(0, at);
  const range = at < 0 ? '' : text.slice(at + 1).trim();
  if (!PACKAGE.test(name) || name.length > 214) {
    throw unusable(`${quote(text)} is neither a package's name nor a path (paths begin with ./ or /)`);
  }
  const official = bareAllowed && !name.startsWith('@') && !name.startsWith(COMMUNITY_PREFIX);
  return official
    ? { from: 'npm', name: OFFICIAL_PREFIX + name, range, bare: name }
    : { from: 'npm', name, range, bare: null };
}

function parseUrl(text: string): PluginSource {
  const url = URL.parse(text);
  if (url === null) throw unusable(`${quote(text)} is no URL`);
  const sha256 = /^#sha256=([0-9a-f]{64})$/i.exec(url.hash)?.[1].toLowerCase();
  if (sha256 === undefined) {
    throw unusable(`${quote(text)} does not say what it must be: write #sha256= and 64 hexadecimal digits behind it`);
  }
  url.hash = '';
  return { from: 'url', url: url.href, sha256 };
}

function fromFileUrl(text: string): string {
  const path = text.slice('file:'.length);
  const url = path.startsWith('//') ? URL.parse(text) : null;
  if (url === null) return path;
  if (url.host !== '') throw unusable(`${quote(text)} names another machine`);
  return decodeURIComponent(url.pathname);
}

function unusable(message: string): StepFailed {
  return new StepFailed('resolve', 'usage', message);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
